import SluiceHTTP
@testable import SluiceHTTP2

/// An event in a form that can be compared and kept.
enum Seen: Equatable {
    case head(UInt32, String, ends: Bool)
    case refused(UInt32, HTTP2Reason, ends: Bool)
    case data(UInt32, String, ends: Bool)
    case trailers(UInt32, String)
    case reset(UInt32, HTTP2ErrorCode, HTTP2Reason, unprocessed: Bool, known: Bool)
    case windowOpened(UInt32)
    case settings
    case goAway(UInt32, HTTP2ErrorCode)
    case pong(UInt64)
    case failed(HTTP2ErrorCode, HTTP2Reason)

    /// A reset of a stream that the caller knows, for a fault of the other side.
    static func reset(_ stream: UInt32, _ code: HTTP2ErrorCode, _ reason: HTTP2Reason) -> Seen {
        .reset(stream, code, reason, unprocessed: code == .refusedStream, known: true)
    }

    /// The same of a stream that was never heard of.
    static func rejected(_ stream: UInt32, _ code: HTTP2ErrorCode, _ reason: HTTP2Reason) -> Seen {
        .reset(stream, code, reason, unprocessed: code == .refusedStream, known: false)
    }
}

/// A frame that the session has written.
struct Sent: Equatable {
    var kind: UInt8
    var flags: UInt8
    var stream: UInt32
    var payload: [UInt8]

    static func reset(_ stream: UInt32, _ code: HTTP2ErrorCode) -> Sent { Sent(kind: 3, flags: 0, stream: stream, payload: number(code.rawValue)) }
    static func update(_ stream: UInt32, _ increment: UInt32) -> Sent { Sent(kind: 8, flags: 0, stream: stream, payload: number(increment)) }
    static func goAway(_ last: UInt32, _ code: HTTP2ErrorCode) -> Sent { Sent(kind: 7, flags: 0, stream: 0, payload: number(last) + number(code.rawValue)) }
    static let settingsAcknowledgement = Sent(kind: 4, flags: 1, stream: 0, payload: [])
}

func number(_ value: UInt32) -> [UInt8] { (0..<4).reversed().map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) } }

/// The bytes of a frame.
func frame(_ kind: UInt8, flags: UInt8 = 0, _ stream: UInt32 = 0, _ payload: [UInt8] = [], length: Int? = nil) -> [UInt8] {
    let length = length ?? payload.count
    return [UInt8(length >> 16 & 0xFF), UInt8(length >> 8 & 0xFF), UInt8(length & 0xFF), kind, flags] + number(stream) + payload
}

func setting(_ identifier: UInt8, _ value: UInt32) -> [UInt8] { [0, identifier] + number(value) }

/// HEADERS: END_HEADERS is set, END_STREAM if the stream ends.
func headers(_ stream: UInt32, _ fields: [(String, String)] = plainRequest, ends: Bool = true, flags: UInt8 = 4) -> [UInt8] {
    frame(1, flags: flags | (ends ? 1 : 0), stream, BlockWriter.block(fields))
}

func data(_ stream: UInt32, _ text: String, ends: Bool = false) -> [UInt8] { frame(0, flags: ends ? 1 : 0, stream, Array(text.utf8)) }

/// A session with its memory, and what comes out of it.
final class Peer {
    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
    static let settings = frame(4)

    let limits: UnsafeMutablePointer<HTTP2Limits>
    let area: HTTP2HeadArea
    let outputMemory: UnsafeMutablePointer<UInt8>
    let outputCapacity = 200_000
    var session: HTTP2Session
    var output: HTTP2Output
    var now: UInt64 = 1_000
    var seen: [Seen] = []
    /// What the session did not read because its answers were not sent.
    var unread: [UInt8] = []
    private var mergedFrom = 0

    init(_ role: HTTP2Role = .server, limits values: HTTP2Limits = HTTP2Limits(), area capacity: Int = 65_536, started: Bool = true) {
        limits = .allocate(capacity: 1)
        limits.initialize(to: values.clamped)
        area = HTTP2HeadArea(base: .allocate(capacity: capacity), capacity: capacity)
        outputMemory = .allocate(capacity: outputCapacity)
        output = HTTP2Output(base: outputMemory, capacity: outputCapacity)
        session = HTTP2Session(role: role, limits: limits)
        session.start(&output)
        guard started else { return }
        _ = sent()
        feed((role == .server ? Self.preface : []) + Self.settings + frame(4, flags: 1))
        _ = sent()
        seen = []
    }

    deinit {
        session.deallocate()
        area.base.deallocate()
        outputMemory.deallocate()
        limits.deallocate()
    }

    /// Reads these bytes, in pieces of this many.
    ///
    /// - Parameter sending: answers are sent as they come.
    @discardableResult
    func feed(_ bytes: [UInt8], piece: Int = .max, sending: Bool = true) -> [Seen] {
        let already = seen.count
        mergedFrom = already
        let all = unread + bytes
        unread = []
        var start = 0
        while start < all.count {
            let end = piece == .max ? all.count : min(all.count, start + piece)
            let used = withExactly(all[start..<end]) { memory in
                var input = HTTP2Input(ByteView(base: memory, count: end - start))
                while read(&input, sending: sending) {}
                return input.used
            }
            if session.isFailed { break }
            start += used
            if used < end - (start - used) {
                unread = Array(all[start...])
                break
            }
        }
        return Array(seen[already...])
    }

    private func read(_ input: inout HTTP2Input, sending: Bool) -> Bool {
        switch session.next(&input, head: area, output: &output, now: now) {
        case .needMore: return false
        case .outputFull:
            guard sending else { return false }
            queued += parse(output.bytes)
            output.clear()
            session.outputSent(&output)
        case .head(let head): seen.append(.head(head.stream, text(head.count), ends: head.endsStream))
        case .headRefused(let stream, let reason, let ends): seen.append(.refused(stream, reason, ends: ends))
        case .data(let stream, let bytes, let ends):
            // Of pieces of a frame, one.
            if seen.count > mergedFrom, case .data(stream, let before, ends: false)? = seen.last {
                seen[seen.count - 1] = .data(stream, before + bytes.string, ends: ends)
            } else {
                seen.append(.data(stream, bytes.string, ends: ends))
            }
        case .trailers(let head): seen.append(.trailers(head.stream, text(head.count)))
        case .reset(let reset): seen.append(.reset(reset.stream, reset.code, reset.reason, unprocessed: reset.isUnprocessed, known: reset.isKnown))
        case .windowOpened(let stream): seen.append(.windowOpened(stream))
        case .settingsChanged: seen.append(.settings)
        case .goAway(let last, let code): seen.append(.goAway(last, code))
        case .pingAcknowledged(let opaque): seen.append(.pong(opaque))
        case .failed(let code, let reason):
            seen.append(.failed(code, reason))
            return false
        }
        return true
    }

    private func text(_ count: Int) -> String { String(decoding: UnsafeBufferPointer(start: area.base, count: count), as: UTF8.self) }

    private var queued: [Sent] = []

    /// The frames that were written since the last time.
    func sent() -> [Sent] {
        defer {
            queued = []
            output.clear()
            session.outputSent(&output)
        }
        return queued + parse(output.bytes)
    }

    private func parse(_ bytes: ByteView) -> [Sent] {
        var rest = Array(bytes.buffer)
        if rest.starts(with: Self.preface) { rest.removeFirst(Self.preface.count) }
        var frames: [Sent] = []
        var at = 0
        while at + 9 <= rest.count {
            let length = Int(rest[at]) << 16 | Int(rest[at + 1]) << 8 | Int(rest[at + 2])
            let stream = rest[(at + 5)..<(at + 9)].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            frames.append(Sent(kind: rest[at + 3], flags: rest[at + 4], stream: stream, payload: Array(rest[(at + 9)..<(at + 9 + length)])))
            at += 9 + length
        }
        precondition(at == rest.count, "a frame is not whole")
        return frames
    }

    // MARK: sending

    func sendHead(_ stream: UInt32, _ text: String, ends: Bool = false) -> HTTP2Sending {
        let bytes = Array(text.utf8)
        return withExactly(bytes) { session.sendHead(stream, ByteView(base: $0, count: bytes.count), endsStream: ends, &output) }
    }

    func sendTrailers(_ stream: UInt32, _ text: String) -> HTTP2Sending {
        let bytes = Array(text.utf8)
        return withExactly(bytes) { session.sendTrailers(stream, ByteView(base: $0, count: bytes.count), &output) }
    }

    func request(_ text: String = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", ends: Bool = true, isHead: Bool = false) -> (HTTP2Sending, UInt32) {
        let bytes = Array(text.utf8)
        var stream: UInt32 = 0
        let outcome = withExactly(bytes) {
            session.sendRequest(ByteView(base: $0, count: bytes.count), endsStream: ends, isHTTPS: true, isHead: isHead, stream: &stream, &output)
        }
        return (outcome, stream)
    }

    /// Writes a DATA frame of this many bytes.
    func sendData(_ stream: UInt32, _ count: Int, ends: Bool = false) -> Bool {
        let place = output.next
        guard session.beginData(stream, count: count, endsStream: ends, at: place) else { return false }
        (place + 9).update(repeating: 0x61, count: count)
        output.add(9 + count)
        return true
    }

    /// Ends the exchange of a stream that has got its answer, or was reset.
    func release(_ stream: UInt32) { _ = session.release(stream, &output) }
}

let request = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"

import CVirtualKernel
import Glibc
import SluiceSimulation

/// A client's connection: what it sent, what it got, and when.
final class Client {
    let number: Int
    let descriptor: Int32
    let address: String
    let openedAt: UInt64
    var requests: [SentRequest] = []
    /// All that it will have sent when `outbox` is empty.
    private(set) var sent: [UInt8] = []
    private var outbox: ArraySlice<UInt8> = []
    private(set) var received: [UInt8] = []
    enum End { case open, ended, reset }
    /// How the gateway has ended the connection.
    private(set) var end = End.open
    private(set) var endedAt: UInt64 = 0
    /// What the client itself has done to it.
    var hasFinished = false
    var hasReset = false
    private var finishesThen = false
    /// It does not read for now.
    var isDeaf = false { didSet { if isDeaf != oldValue { note(slow: isDeaf) } } }
    /// Bytes of the outbox that are sent by now; nil: all.
    private(set) var allowance: Int?
    /// When it was slow for reasons of its own: deaf, in small pieces, or stingy. The last may not be over.
    private(set) var slowness: [(from: UInt64, to: UInt64)] = []
    private var reasons = 0
    /// Where it speaks HTTP/2.
    private(set) var http2: ClientHTTP2?
    /// When it broke or ended the connection itself.
    private(set) var leftAt: UInt64?

    init(number: Int, descriptor: Int32, address: String) {
        self.number = number
        self.descriptor = descriptor
        self.address = address
        openedAt = vk_now()
    }

    /// Speaks HTTP/2 from the first byte on.
    func multiplex(streamWindow: Int) {
        let http2 = ClientHTTP2(self, streamWindow: streamWindow)
        self.http2 = http2
        http2.start()
    }

    var isUsable: Bool { !hasFinished && !hasReset && end == .open }

    func send(_ bytes: ArraySlice<UInt8>) {
        guard isUsable else { return }
        sent += bytes
        outbox += bytes
        pump()
    }

    func finish() {
        guard isUsable else { return }
        hasFinished = true
        leftAt = leftAt ?? vk_now()
        finishesThen = true
        pump()
    }

    func reset() {
        guard !hasReset else { return }
        hasReset = true
        leftAt = leftAt ?? vk_now()
        outbox = []
        vk_reset(descriptor)
    }

    /// Sends what is left and reads what is there.
    func pump() {
        if !outbox.isEmpty, !hasReset, allowance != 0 {
            let sent = World.send(descriptor, outbox.prefix(allowance ?? outbox.count))
            outbox = outbox.dropFirst(sent)
            if let allowance { self.allowance = allowance - sent }
        }
        if finishesThen, outbox.isEmpty, !hasReset {
            finishesThen = false
            shutdown(descriptor, Int32(SHUT_WR))
        }
        guard !isDeaf, !hasReset else { return }
        while end == .open {
            switch World.receive(descriptor) {
            case .bytes(let bytes):
                received += bytes
                http2?.readFrames()
            case .nothing: return
            case .end: note(.ended)
            case .reset: note(.reset)
            }
        }
    }

    // MARK: Slowness

    /// Sends from here on what it is allowed, until it is allowed everything.
    func holdBack() {
        guard allowance == nil else { return }
        allowance = 0
        note(slow: true)
    }

    /// True if something is still held back.
    func allow(_ bytes: Int) -> Bool {
        guard let before = allowance, isUsable else { return false }
        allowance = before + bytes
        pump()
        guard outbox.isEmpty else { return true }
        allowance = nil
        note(slow: false)
        return false
    }

    /// It begins or ends to be slow, for one of several reasons.
    func note(slow: Bool) {
        if slow {
            if reasons == 0 { slowness.append((vk_now(), .max)) }
            reasons += 1
        } else {
            reasons -= 1
            if reasons == 0 { slowness[slowness.count - 1].to = vk_now() }
        }
    }

    /// Whether it was slow at any moment between these.
    func wasSlow(_ from: UInt64, _ to: UInt64) -> Bool { slowness.contains { $0.from <= to && $0.to >= from } }

    private func note(_ end: End) {
        self.end = end
        endedAt = vk_now()
        http2?.connectionEnded()
    }
}

/// A request that a client has sent, or sends in pieces.
struct SentRequest {
    let id: Int
    var method: String
    var target: String
    var fields: [Field]
    var body: [UInt8] = []
    var trailers: [Field] = []
    var framing = Message.Framing.none
    /// What stands on the connection.
    var bytes: [UInt8] = []
    /// Of it, the head.
    var headCount = 0
    /// Where it begins on the connection.
    var start = 0
    /// Bytes that are no request after all, so that 400 must come and the connection end.
    var isMalformed = false
    /// What is said to be its body is none: 400, or what is said before the body is looked at, and then the end of the connection.
    var hasBadBody = false
    var minor = 1
    var host: String { values("host").first ?? "" }

    func values(_ name: String) -> [String] { fields.filter { $0.key == name }.map(\.value) }
    func value(_ name: String) -> String? { values(name).first }
    var asksForClose: Bool { values("connection").contains { $0.lowercased().contains("close") } }

    /// Puts what is not a chunk into the body. What comes behind it looks like a request, and is none.
    mutating func breakChunk(_ random: inout SeededGenerator) {
        hasBadBody = true
        let bad = random.pick(["zz\r\n", "-1\r\n", "5\r\nabc\r\n", "1\r\nxyz\r\n"])
        bytes = Array(bytes.prefix(headCount)) + Array((bad + "\r\nGET /d0/smuggled HTTP/1.1\r\nHost: a\r\nX-Request-Id: sim-0\r\n\r\n").utf8)
        body = []
        trailers = []
    }

    /// Takes off what HTTP/2 does not have (RFC 9113, 8.2.2).
    mutating func removeConnectionFields() {
        fields.removeAll { ["connection", "keep-alive", "proxy-connection", "upgrade", "transfer-encoding"].contains($0.key) }
        write()
    }

    /// Writes the message down.
    mutating func write(chunks: [Int] = []) {
        var text = "\(method) \(target) HTTP/1.\(minor)\r\n"
        for field in fields { text += "\(field.name): \(field.value)\r\n" }
        switch framing {
        case .length: text += "Content-Length: \(body.count)\r\n"
        case .chunked: text += "Transfer-Encoding: chunked\r\n"
        default: break
        }
        text += "\r\n"
        bytes = Array(text.utf8)
        headCount = bytes.count
        guard framing == .chunked else {
            bytes += body
            return
        }
        bytes += Chunks.encode(body, sizes: chunks, trailers: trailers)
    }
}

enum Chunks {
    static func encode(_ body: [UInt8], sizes: [Int], trailers: [Field]) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = body[...]
        var next = 0
        while !rest.isEmpty {
            let size = max(1, min(rest.count, sizes.isEmpty ? rest.count : sizes[next % sizes.count]))
            next += 1
            bytes += Array("\(String(size, radix: 16))\r\n".utf8) + rest.prefix(size) + [13, 10]
            rest = rest.dropFirst(size)
        }
        bytes += Array("0\r\n".utf8)
        for field in trailers { bytes += Array("\(field.name): \(field.value)\r\n".utf8) }
        return bytes + [13, 10]
    }
}

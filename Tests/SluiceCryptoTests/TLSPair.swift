import Foundation
import SluiceCrypto
import Testing

/// Two connected sockets of one process, non-blocking: no network takes part.
final class SocketPair {
    let server: Int32
    let client: Int32
    private var open: Set<Int32>

    /// - Parameter sendBuffer: bytes that a socket takes before it blocks; the system's choice if nil.
    init(sendBuffer: Int32? = nil) throws {
        // As in the gateway's own process.
        signal(SIGPIPE, SIG_IGN)
        var descriptors: [Int32] = [-1, -1]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &descriptors) == 0)
        for descriptor in descriptors {
            _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
            if var bytes = sendBuffer {
                setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &bytes, socklen_t(MemoryLayout<Int32>.size))
            }
        }
        (server, client) = (descriptors[0], descriptors[1])
        open = Set(descriptors)
    }

    func close(_ descriptor: Int32) {
        if open.remove(descriptor) != nil { Foundation.close(descriptor) }
    }

    deinit { for descriptor in open { Foundation.close(descriptor) } }
}

/// A server's and a client's session over one pair of sockets.
final class TLSPair {
    let sockets: SocketPair
    let server: TLSSession
    let client: TLSSession
    private(set) var serverResult = TLSResult.wantRead
    private(set) var clientResult = TLSResult.wantRead
    private(set) var clientReason: String?

    init(_ serverContext: TLSServerContext, _ peer: TLSPeer, sendBuffer: Int32? = nil, offersHTTP2: Bool = false) throws {
        sockets = try SocketPair(sendBuffer: sendBuffer)
        server = try #require(TLSSession(serverContext.handle, descriptor: sockets.server))
        client = try #require(TLSSession(peer.handle, descriptor: sockets.client, offersHTTP2: offersHTTP2))
    }

    deinit {
        server.free()
        client.free()
    }

    /// Runs both sides in turn. True if both completed.
    @discardableResult
    func shake() -> Bool {
        for _ in 0..<20 where !isOver {
            if clientResult == .wantRead {
                clientResult = client.handshake()
                if clientResult == .failed { clientReason = client.failureReason }
            }
            if serverResult == .wantRead { serverResult = server.handshake() }
        }
        return serverResult == .bytes(0) && clientResult == .bytes(0)
    }

    private var isOver: Bool { serverResult != .wantRead && clientResult != .wantRead }

    /// Sends `text` from one side and returns what the other then reads.
    static func send(_ text: String, from sender: TLSSession, to receiver: TLSSession) -> String? {
        let bytes = Array(text.utf8)
        guard sender.write(bytes, count: bytes.count) == .bytes(bytes.count) else { return nil }
        var buffer = [UInt8](repeating: 0, count: 1024)
        guard case .bytes(let count) = receiver.read(into: &buffer, capacity: buffer.count) else { return nil }
        return String(decoding: buffer.prefix(count), as: UTF8.self)
    }

    /// A request and its response; the response brings along the session tickets of TLS 1.3.
    func exchange() -> Bool {
        Self.send("request", from: client, to: server) == "request"
            && Self.send("response", from: server, to: client) == "response"
    }
}

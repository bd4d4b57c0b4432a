import SluiceCrypto
import SluiceEvent

/// One connection's socket, plain or with TLS on it, and what edge triggering has said of it: the same for clients and services.
struct PeerSocket {
    /// -1 in a place that is not in use.
    var descriptor: Int32 = -1
    /// Whether the kernel, or the TLS session, may hold bytes that were not read. Edge triggering says so once.
    var mayRead = false
    /// Whether the peer has ended its sending side.
    var isPeerClosed = false
    var tls: TLSSession?

    /// Whether the end of the peer's stream has been read: nothing that it sent is left.
    var isAtEnd: Bool { isPeerClosed && !mayRead }

    /// Takes over what one callback reports.
    @inline(__always)
    mutating func note(_ readiness: Readiness) {
        if readiness.has(.peerClosed) {
            isPeerClosed = true
            mayRead = true
        }
        if readiness.has(.readable) { mayRead = true }
    }

    /// Reads once. Keeps `mayRead` true to what is known: a plain read that brings less than was asked for has emptied the
    /// socket, unless the end of the stream came with it, which edge triggering will not report again.
    @inline(__always)
    mutating func receive(into memory: UnsafeMutableRawPointer, capacity: Int) -> Transfer {
        if let tls {
            let result = tls.receive(into: memory, capacity: capacity)
            switch result {
            case .wouldBlock: mayRead = false
            // The peer may say so in TLS and leave the connection open.
            case .ended: isPeerClosed = true
            case .bytes, .failed: break
            }
            return result
        }
        let result = Socket.receive(descriptor, into: memory, capacity: capacity)
        switch result {
        case .bytes(let count):
            if count < capacity, !isPeerClosed { mayRead = false }
        case .wouldBlock: mayRead = false
        case .ended: isPeerClosed = true
        case .failed: break
        }
        return result
    }

    /// Sends once; a short count means that the socket is full, and that the loop will say when it is not.
    @inline(__always)
    func send(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Transfer {
        if let tls { return tls.send(bytes, count: count) }
        return Socket.send(descriptor, bytes, count: count)
    }

    /// Whether TLS holds bytes that have left the kernel and were not read.
    var hasReadAhead: Bool { tls?.hasBuffered ?? false }

    /// Ends our sending side; the peer reads an end of stream behind what was sent.
    func endSending() {
        tls?.closeNotify()
        Socket.shutdownSending(descriptor)
    }

    /// Closes the descriptor and frees the session.
    mutating func close() {
        tls?.free()
        tls = nil
        Socket.close(descriptor)
        descriptor = -1
    }
}

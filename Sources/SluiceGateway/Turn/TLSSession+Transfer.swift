import SluiceCrypto
import SluiceEvent

extension TLSSession {
    /// Reads once, in the terms of a plain socket.
    func receive(into memory: UnsafeMutableRawPointer, capacity: Int) -> Transfer { transfer(read(into: memory, capacity: capacity)) }

    /// Writes record after record until the socket takes no more, in the terms of a plain socket: a short count means that
    /// it is full, and that the loop will say when it is not.
    func send(_ bytes: UnsafeRawPointer, count: Int) -> Transfer {
        var sent = 0
        while sent < count {
            switch transfer(write(bytes + sent, count: count - sent)) {
            case .bytes(let written): sent += written
            case .wouldBlock: return sent > 0 ? .bytes(sent) : .wouldBlock
            case let end: return end
            }
        }
        return .bytes(sent)
    }

    private func transfer(_ result: TLSResult) -> Transfer {
        switch result {
        case .bytes(let count): .bytes(count)
        case .wantRead, .wantWrite: .wouldBlock
        case .closed: .ended
        case .failed: .failed(0)
        }
    }
}

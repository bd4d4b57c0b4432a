import SluiceEvent

// What is sent to services, and what waits because they do not take it.

extension UpstreamConnections {
    /// Sends, or queues what the socket does not take. False if the connection is broken.
    @inline(__always)
    func send(_ connection: UpstreamRef, _ bytes: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        var sent = 0
        if connection.pointee.output.isEmpty {
            switch connection.pointee.socket.send(bytes, count) {
            case .bytes(let taken): sent = taken
            case .wouldBlock: break
            case .ended, .failed: return false
            }
            if sent == count { return true }
            noteOwed(connection)
        }
        return connection.pointee.output.append(bytes + sent, count - sent, from: &outputs.pointee)
    }

    /// How much of what was queued has gone.
    enum Flushed {
        case nothing, some, all
    }

    /// Sends what is queued, as far as the socket takes it.
    func flush(_ connection: UpstreamRef) -> Flushed {
        var flushed = Flushed.nothing
        while let front = connection.pointee.output.front, !connection.pointee.output.isEmpty {
            switch connection.pointee.socket.send(front, connection.pointee.output.count) {
            case .bytes(let count):
                connection.pointee.output.remove(count, to: &outputs.pointee)
                noteOwed(connection)
                flushed = .some
            case .wouldBlock: return flushed
            case .ended, .failed:
                stopSending(connection)
                return flushed
            }
        }
        return .all
    }

    /// The service reads no more. It may have answered before, and the answer is worth more than the error (RFC 9112, 9.5). Of the request
    /// nothing may follow: with a hole in it, it would look whole.
    func stopSending(_ connection: UpstreamRef) {
        connection.pointee.output.clear(to: &outputs.pointee)
        connection.pointee.keepsAlive = false
        connection.pointee.socket.endSending()
        connection.pointee.socket.mayRead = true
    }

    /// From here on the service is to take something of what waits for it.
    private func noteOwed(_ connection: UpstreamRef) {
        connection.pointee.output.owed = UInt32(clamping: Socket.unacknowledged(connection.pointee.socket.descriptor))
    }

    /// Whether the service took some of what waits for it in its time, although the kernel reported no room; see `hasTaken` for clients.
    /// Always false for a request that the kernel took at once.
    func hasTaken(_ connection: UpstreamRef) -> Bool {
        let owed = connection.pointee.output.owed
        noteOwed(connection)
        return connection.pointee.output.owed < owed
    }
}

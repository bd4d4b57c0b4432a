import SluiceEvent
import SluiceHTTP

// From a client's bytes to a decision: reading a head, resolving it to a domain and an endpoint. The chain follows: `Worker+Chain`.

extension Worker {
    // MARK: Reading a head

    /// Reads until a head is complete, and begins its exchange.
    func readRequest(_ connection: ClientRef) {
        guard let block = connection.pointee.block ?? takeBlock(connection) else { return close(connection) }
        // Pipelined bytes that an earlier exchange left.
        if block.pointee.inputCount > block.pointee.inputSearched {
            guard parseRequest(connection, block) else { return }
        }
        while connection.pointee.socket.mayRead {
            let input = block.pointee.exchange.bytes
            let room = block.pointee.inputCapacity - block.pointee.inputCount
            switch connection.pointee.socket.receive(into: input + block.pointee.inputCount, capacity: room) {
            case .bytes(let count):
                counters.traffic.downstreamBytesReceived &+= UInt64(count)
                if block.pointee.inputCount == 0 { beginTotal(connection) }
                block.pointee.inputCount += count
                guard parseRequest(connection, block) else { return }
                connection.pointee.socket.mayRead = true
            case .wouldBlock: break
            case .ended, .failed: return close(connection)
            }
        }
        if block.pointee.inputCount == 0 {
            releaseBlock(connection)
        } else if connection.pointee.state == .idle {
            // The time for a head begins with its first byte and is not extended by further ones.
            connection.pointee.state = .readingHead
            turn.limit(connection, to: limits.headTimeout)
        }
    }

    private func takeBlock(_ connection: ClientRef) -> ExchangeRef? {
        guard let memory = blocks.pointee.take() else { return nil }
        let block = memory.assumingMemoryBound(to: ExchangeBlock.self)
        prepare(block, for: connection)
        connection.pointee.block = block
        return block
    }

    /// Makes the block ready for a request of which nothing has come.
    func prepare(_ block: ExchangeRef, for connection: ClientRef) {
        let memory = UnsafeMutableRawPointer(block)
        let slots = (memory + layout.slotsOffset).assumingMemoryBound(to: FieldSlot.self)
        block.initialize(to: ExchangeBlock(
            exchange: Exchange(
                context: context, bytes: (memory + layout.inputOffset).assumingMemoryBound(to: UInt8.self),
                head: RequestHead(slots: slots, capacity: layout.slotCapacity), peer: connection.pointee.peer,
                peerIsTrusted: connection.pointee.peerIsTrusted, isSecure: connection.pointee.isSecure,
                storage: (memory + layout.storageOffset).assumingMemoryBound(to: UInt8.self),
                storageCapacity: layout.storageCapacity),
            run: ExchangeRun(client: connection),
            snapshot: nil, inputCapacity: layout.inputCapacity, inputCount: 0, inputUsed: 0, inputSearched: 0))
    }

    /// Parses what has come. True if more is needed; false if the connection went on to something else.
    private func parseRequest(_ connection: ClientRef, _ block: ExchangeRef) -> Bool {
        let bytes = ByteView(base: block.pointee.exchange.bytes, count: block.pointee.inputCount)
        let searched = block.pointee.inputSearched
        block.pointee.inputSearched = bytes.count
        // Nothing can have become complete without the end of a line, so a client that sends byte by byte does not have its head
        // read again for each. What is wrong shows with the line's end too, but for a CR that something else than LF follows: after
        // such a one no line might ever end.
        if searched > 0, bytes.count < layout.headBytesMax, !bytes[searched...].contains(UInt8(ascii: "\n")),
            !bytes[(searched - 1)...].contains(UInt8(ascii: "\r"))
        {
            return true
        }
        let slots = block.pointee.exchange.head.fields.slots
        switch RequestHead.parse(bytes, slots: slots, capacity: layout.slotCapacity, into: &block.pointee.exchange.head) {
        case .complete:
            guard block.pointee.exchange.head.length <= layout.headBytesMax else {
                refuse(connection, .headTooLarge)
                return false
            }
            guard !limits.refusesUnusualFields || block.pointee.exchange.head.fields.present & KnownField.unusual.bit == 0 else {
                refuse(connection, .unusualField)
                return false
            }
            begin(connection, block)
            return false
        case .incomplete:
            guard bytes.count < layout.headBytesMax else {
                refuse(connection, .headTooLarge)
                return false
            }
            return true
        case .malformed(let fault):
            switch fault.kind {
            case .syntax: refuse(connection, .badRequest(fault.detail))
            case .target: refuse(connection, .invalidTarget)
            case .tooManyFields: refuse(connection, .headTooLarge)
            }
            return false
        }
    }

    /// Refuses what never became an exchange; nothing more can be read from the connection.
    func refuse(_ connection: ClientRef, _ refusal: Refusal) {
        guard let block = connection.pointee.block else { return close(connection) }
        connection.pointee.state = .exchanging
        turn.limit(connection, to: 0)
        block.pointee.run.startedAt = context.pointee.monotonicNanoseconds
        block.pointee.run.keepsAlive = false
        answer(block, refusal)
    }

    // MARK: The exchange

    /// A head is complete: from here to `exchangeEnded` the connection belongs to this exchange.
    private func begin(_ connection: ClientRef, _ block: ExchangeRef) {
        connection.pointee.state = .exchanging
        connection.pointee.requests &+= 1
        // A reset that came before the request was read has been reported with it, and is not seen otherwise.
        turn.limit(connection, to: Limits.clientLookMilliseconds)
        let head = block.pointee.exchange.head
        block.pointee.inputUsed = head.length
        block.pointee.run.begin(head, at: context.pointee.monotonicNanoseconds)
        // A client that has ended its sending side may have sent further requests before: they are answered too.
        block.pointee.run.keepsAlive = head.keepAlive && !isDraining
            && (limits.requestsPerConnectionMax == 0 || connection.pointee.requests < limits.requestsPerConnectionMax)
        let snapshot = snapshots.pointee.enter()
        block.enter(snapshot)
        // Nobody is asked about without X-Forwarded-For; and an access to the list is checked at run time.
        let names = head.fields.present & KnownField.xForwardedFor.bit != 0
        let trusted = names ? listeners[Int(connection.pointee.listener)].trusted : TrustedProxies(blocks: ArenaSlice())
        let refusal = Routing.resolve(&block.pointee.exchange, in: snapshot.pointee.tables, trusted: trusted)
        if let refusal {
            answer(block, refusal)
        } else {
            beginChain(block)
        }
    }
}

extension ExchangeRun {
    /// Takes over what the request's head says of its body.
    mutating func begin(_ head: RequestHead, at now: UInt64) {
        startedAt = now
        requestFraming = head.framing
        switch head.framing {
        case .none, .untilClose: requestBody = .complete
        case .length(0): requestBody = .complete
        case .length(let length):
            requestRemaining = length
            requestBody = .receiving
        case .chunked: requestBody = .receiving
        }
    }
}

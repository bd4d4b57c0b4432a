import SluiceEvent
import SluiceHTTP

// From a client's bytes to a decision: reading a head, resolving it to a domain and an endpoint. The chain follows: `Worker+Chain`.

extension Worker {
    // MARK: Reading a head

    /// Reads until a head is complete, and begins its exchange.
    func readRequest(_ connection: ClientRef) {
        switch requests.read(connection) {
        case .incomplete: break
        case .head(let block): begin(connection, block)
        case .refused(let refusal): refuse(connection, refusal)
        case .ended: close(connection)
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
        block.pointee.run.begin(head.framing, at: context.pointee.monotonicNanoseconds)
        // A client that has ended its sending side may have sent further requests before: they are answered too.
        block.pointee.run.keepsAlive = head.keepAlive && !clients.isDraining
            && (limits.requestsPerConnectionMax == 0 || connection.pointee.requests < limits.requestsPerConnectionMax)
        decide(block)
    }

    /// Decides what becomes of a request whose head is whole: by the snapshot that is current now, and stays its own.
    @inline(__always)
    func decide(_ block: ExchangeRef) {
        let snapshot = snapshots.pointee.enter()
        block.enter(snapshot)
        // Nobody is asked about without X-Forwarded-For; and an access to the list is checked at run time.
        let names = block.pointee.exchange.head.fields.present & KnownField.xForwardedFor.bit != 0
        let trusted = names ? listeners[Int(block.pointee.run.client.pointee.listener)].trusted : TrustedProxies(blocks: ArenaSlice())
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
    mutating func begin(_ framing: BodyFraming, at now: UInt64) {
        startedAt = now
        requestFraming = framing
        switch framing {
        case .none, .untilClose: requestBody = .complete
        case .length(0): requestBody = .complete
        case .length(let length):
            requestRemaining = length
            requestBody = .receiving
        case .chunked: requestBody = .receiving
        }
    }
}

/// The owners of a worker: whatever happens on its thread is the business of one of them, which knows what its `State` holds and nothing else.
///
/// Each is a handle, one pointer to that state; copies of it are the same owner. They call each other in circles (a client's connection, the exchange, a
/// service's connection, the exchange again), so all have their places first and are then told of each other, once. A call from one to the other is a
/// direct call; nothing is retained for it. Clients' side and services' side do not know each other (`scripts/floors` looks): what one has for the other it
/// tells the exchange, by `RequestCourse` and `ResponseCourse`, and the exchange asks them by `ClientEnd`, `ResponseWriter` and `UpstreamEnd`.
///
/// Large because it is the list of them.
struct WorkerOwners {
    // MARK: Clients' side

    let listeners = Listeners()
    let clientHandshakes = ClientHandshakes()
    let clientTransport = ClientTransport()
    let http1Exchanges = HTTP1Exchanges()
    let http2Connections = HTTP2Connections()
    let http2Exchanges = HTTP2Exchanges()
    let clientEnd = ClientEnd()
    let responseWriter = ResponseWriter()

    // MARK: The exchange

    let requestCourse = RequestCourse()
    let responseCourse = ResponseCourse()
    let chain = ExchangeChain()
    let answers = ExchangeAnswers()
    let waiters = ExchangeWaiters()
    let bodies = BodyCollection()
    let records = ExchangeRecords()

    // MARK: Services' side

    let upstreamEnd = UpstreamEnd()
    let upstreamAttempts = UpstreamAttempts()
    let upstreamTransport = UpstreamTransport()
    let upstreamExchanges = UpstreamExchanges()
    let upstreamTunnels = UpstreamTunnels()
    let discardedResponses = DiscardedResponses()
    let sharedConnections = SharedConnections()
    let sharedRequests = SharedRequests()
    let sharedResponses = SharedResponses()

    /// Tells each what it may know.
    init(_ parts: WorkerParts) {
        listeners.wire(parts, self)
        clientHandshakes.wire(parts, self)
        clientTransport.wire(parts, self)
        http1Exchanges.wire(parts, self)
        http2Connections.wire(parts, self)
        http2Exchanges.wire(parts, self)
        clientEnd.wire(parts, self)
        responseWriter.wire(parts, self)
        requestCourse.wire(parts, self)
        responseCourse.wire(parts, self)
        chain.wire(parts, self)
        answers.wire(parts, self)
        waiters.wire(parts, self)
        bodies.wire(parts, self)
        records.wire(parts)
        upstreamEnd.wire(parts, self)
        upstreamAttempts.wire(parts, self)
        upstreamTransport.wire(parts, self)
        upstreamExchanges.wire(parts, self)
        upstreamTunnels.wire(parts, self)
        discardedResponses.wire(parts)
        sharedConnections.wire(parts, self)
        sharedRequests.wire(parts, self)
        sharedResponses.wire(parts, self)
    }

    func deallocate() {
        listeners.deallocate()
        clientHandshakes.deallocate()
        clientTransport.deallocate()
        http1Exchanges.deallocate()
        http2Connections.deallocate()
        http2Exchanges.deallocate()
        clientEnd.deallocate()
        responseWriter.deallocate()
        requestCourse.deallocate()
        responseCourse.deallocate()
        chain.deallocate()
        answers.deallocate()
        waiters.deallocate()
        bodies.deallocate()
        records.deallocate()
        upstreamEnd.deallocate()
        upstreamAttempts.deallocate()
        upstreamTransport.deallocate()
        upstreamExchanges.deallocate()
        upstreamTunnels.deallocate()
        discardedResponses.deallocate()
        sharedConnections.deallocate()
        sharedRequests.deallocate()
        sharedResponses.deallocate()
    }
}

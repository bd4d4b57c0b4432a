import SluiceHTTP

// What the heads of a request and of its response say of the bodies behind them.

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

    /// Takes over what the response's head says of its body, and decides how that is framed for the client.
    @inline(__always)
    mutating func takeResponse(_ head: ResponseHead, clientKnowsChunks: Bool) {
        status = head.status
        responseFraming = head.framing
        switch head.framing {
        case .none: responseIsChunked = false
        case .length(let length):
            responseRemaining = length
            responseIsChunked = false
        case .chunked, .untilClose:
            // HTTP/2 has frames for it.
            responseIsChunked = clientKnowsChunks && !isHTTP2
            dropsResponseTrailers = head.hasConnectionOptions
            // Its end is told by the connection's.
            if !clientKnowsChunks { keepsAlive = false }
        }
    }
}

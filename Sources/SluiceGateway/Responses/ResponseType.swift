/// The kinds of errors for which a domain can have a response of its own (`responses`), by the names that callers of this family of gateways know.
enum ResponseType: UInt8, CaseIterable, BitwiseCopyable, Sendable {
    case unauthorized
    case jwksError
    case forbidden
    case notFound
    case badRequest
    case invalidUri
    case rateLimited
    case usageQuotaExceeded
    case preApiFailed
    case badGateway
    case upstreamServiceUnavailable
    case gatewayTimeout
    case internalServerError
    case invalidContextVariable

    /// Its name under `responses`.
    var key: String { "\(self)" }

    /// What it is the response to, for the reference.
    var meaning: String {
        switch self {
        case .unauthorized: "No credentials, or wrong ones."
        case .jwksError: "With `errors: v2`: there is no key set for the token, because none could be fetched. Otherwise that is `unauthorized`."
        case .forbidden: "The client's address is not permitted, or its API key is missing, inactive or invalid."
        case .notFound: "No path or method matches."
        case .badRequest: "The request is malformed, fails validation, is too large, or comes too slowly."
        case .invalidUri: "The request target is malformed or unsafe."
        case .rateLimited: "The project's ceiling, a rate limit or the requests per second of the caller's plan are exceeded."
        case .usageQuotaExceeded: "A usage quota, or the quota of the caller's plan, is used up."
        case .preApiFailed: "The pre-call API cannot be asked."
        case .badGateway: "The upstream refused or reset the connection, or did not answer with HTTP."
        case .upstreamServiceUnavailable: "No address of the upstream is healthy."
        case .gatewayTimeout: "The upstream is slower than its timeout."
        case .internalServerError: "The endpoint's rewrite is broken."
        case .invalidContextVariable: "Never happens: a broken template is an error of the configuration. Accepted for configurations that have it."
        }
    }
}

extension Refusal.Row {
    /// Whose response it gets.
    var responseType: ResponseType {
        switch self {
        case .ceilingExceeded, .rateLimited: .rateLimited
        case .quotaExceeded, .planQuotaExceeded: .usageQuotaExceeded
        case .hmacTimestampEmpty, .hmacTimestampFormat, .hmacExpired, .hmacAuthorizationEmpty, .hmacInvalid: .unauthorized
        case .jwtAuthorizationEmpty, .jwtExpired, .jwtInvalid: .unauthorized
        case .certificateMissing, .certificateRefused: .unauthorized
        case .preCallFailed: .preApiFailed
        case .rewritePatternInvalid, .rewriteReplacementInvalid: .internalServerError
        case .notFound: .notFound
        case .addressNotAllowed, .apiKeyEmpty, .apiKeyInactive, .apiKeyInvalid: .forbidden
        case .invalidTarget: .invalidUri
        // What has no type of its own is a fault of the request, and keeps its status unless the response has one.
        case .misdirected, .validationFailed, .badRequest, .requestTimeout, .bodyTooLarge, .headTooLarge: .badRequest
        case .upstreamFailed: .badGateway
        case .upstreamUnavailable: .upstreamServiceUnavailable
        case .upstreamTimeout: .gatewayTimeout
        }
    }
}

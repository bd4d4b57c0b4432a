extension Refusal.Row {
    /// When the gateway answers with this row, in one sentence for the reference.
    var meaning: String {
        switch self {
        case .ceilingExceeded: "The project is over its ceiling."
        case .quotaExceeded: "A usage quota of the domain or of the endpoint is used up."
        case .rateLimited: "The caller has had as many requests as a rate limit of the domain or of the endpoint, or its plan, allows in an interval."
        case .hmacTimestampEmpty: "The request has no timestamp field."
        case .hmacTimestampFormat: "The timestamp does not have one of the accepted forms."
        case .hmacExpired: "The timestamp differs from the gateway's clock by more than `clockSkew`."
        case .hmacAuthorizationEmpty: "The request has no `Authorization`."
        case .hmacInvalid: "The signature is wrong, is malformed, lacks a required header, or was used before."
        case .jwtAuthorizationEmpty: "The request has no `Authorization`."
        case .jwtExpired: "The token's `exp` has passed."
        case .jwtInvalid: "The token is malformed, its signature is wrong, or a claim does not meet the policy."
        case .apiKeyEmpty: "The request has no API key."
        case .apiKeyInactive: "The API key's caller is disabled, has expired, or may not call yet."
        case .apiKeyInvalid: "Nobody has this API key, its caller has no access to the domain, or the request has several keys."
        case .planQuotaExceeded: "The quota of the caller's plan is used up, for the day or the month."
        case .certificateMissing: "The domain requires a client certificate, and the connection has none."
        case .certificateRefused: "The certificate is none of those that the domain lists, or is not taken any more."
        case .misdirected: "The domain or the listener requires a client certificate, and the TLS handshake was for another domain or is out of date. Another connection may do."
        case .preCallFailed: "The pre-call API is unreachable, too slow, or does not answer with HTTP."
        case .rewritePatternInvalid: "The pattern of the endpoint's rewrite does not compile, or a match takes too much work."
        case .rewriteReplacementInvalid: "The replacement of the endpoint's rewrite is malformed."
        case .notFound: "No domain, path or method matches."
        case .addressNotAllowed: "The IP ACL does not permit the client's address."
        case .validationFailed: "A parameter, a header or the body is missing, or not what the endpoint describes."
        case .invalidTarget: "The request target is malformed or unsafe."
        case .badRequest: "The request is malformed in another way."
        case .requestTimeout: "The client takes too long to send its request."
        case .bodyTooLarge: "The body is longer than `SLUICE_MAX_BODY_BYTES`, or, where an endpoint validates it, than `SLUICE_MAX_VALIDATED_BYTES`."
        case .headTooLarge: "The head is longer than `SLUICE_MAX_HEAD_BYTES`, or has more fields than `SLUICE_MAX_FIELDS`."
        case .upstreamFailed: "The upstream refused or reset the connection, or did not answer with HTTP."
        case .upstreamUnavailable: "No address of the upstream is healthy, or its name does not resolve."
        case .upstreamTimeout: "The upstream is slower than its timeout."
        }
    }
}

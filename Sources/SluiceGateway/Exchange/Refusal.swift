import SluiceHTTP

/// An error that the gateway itself answers: one row of the catalogue, and for some rows a fixed phrase that says more.
///
/// The phrase is a literal of the gateway's, or made of names in the configuration: never an address, a secret or anything that a caller sent.
struct Refusal: BitwiseCopyable, Sendable, Equatable {
    /// The rows of the catalogue. All statuses, codes and messages that the gateway can answer stand in this file.
    enum Row: UInt8, CaseIterable, BitwiseCopyable, Sendable {
        case ceilingExceeded
        case quotaExceeded
        case rateLimited
        case hmacTimestampEmpty, hmacTimestampFormat, hmacExpired, hmacAuthorizationEmpty, hmacInvalid
        case jwtAuthorizationEmpty, jwtExpired, jwtInvalid
        case apiKeyEmpty, apiKeyInactive, apiKeyInvalid
        case planQuotaExceeded
        case certificateMissing, certificateRefused, misdirected
        case preCallFailed
        case rewritePatternInvalid, rewriteReplacementInvalid
        case notFound
        case addressNotAllowed
        case validationFailed
        case invalidTarget
        case badRequest
        case requestTimeout
        case bodyTooLarge
        case headTooLarge
        case upstreamFailed
        case upstreamUnavailable
        case upstreamTimeout
    }

    let row: Row
    /// Of a refused token; nil for everything else.
    let tokenFault: TokenFault?
    /// The `{detail}` of the rows that have one. With all others it is for logs and `explain`: the caller is not told.
    let detail: ByteView

    init(_ row: Row, detail: StaticString = "") {
        self.row = row
        tokenFault = nil
        self.detail = ByteView(detail)
    }

    /// - Parameter detail: lasts as long as the snapshot; visible ASCII and blanks without quotation marks, backslashes and percent signs.
    init(_ row: Row, detail: ByteView) {
        self.row = row
        tokenFault = nil
        self.detail = detail
    }

    /// - Parameter detail: as above.
    init(token fault: TokenFault, detail: ByteView = .empty) {
        row = fault.row
        tokenFault = fault
        self.detail = detail
    }

    /// What of the detail the caller is told.
    var toldDetail: ByteView {
        switch row {
        case .badRequest, .validationFailed, .upstreamFailed, .upstreamUnavailable, .upstreamTimeout: detail
        default: .empty
        }
    }

    static func == (left: Refusal, right: Refusal) -> Bool {
        left.row == right.row && left.detail.equals(right.detail)
    }

    /// Whether a limit was exceeded, of which the response tells more in its fields.
    var isForLimit: Bool { row == .ceilingExceeded || row == .quotaExceeded || row == .rateLimited || row == .planQuotaExceeded }

    static var ceilingExceeded: Refusal { Refusal(.ceilingExceeded) }
    static var quotaExceeded: Refusal { Refusal(.quotaExceeded) }
    static var rateLimited: Refusal { Refusal(.rateLimited) }
    static var planQuotaExceeded: Refusal { Refusal(.planQuotaExceeded) }
    static var preCallFailed: Refusal { Refusal(.preCallFailed) }
    static var notFound: Refusal { Refusal(.notFound) }
    static var addressNotAllowed: Refusal { Refusal(.addressNotAllowed) }
    static var invalidTarget: Refusal { Refusal(.invalidTarget) }
    static var certificateMissing: Refusal { Refusal(.certificateMissing) }
    static var misdirected: Refusal { Refusal(.misdirected) }
    /// It was accepted in the handshake.
    static var certificateOver: Refusal { Refusal(.certificateRefused, detail: "not valid any more") }
    static var requestTimeout: Refusal { Refusal(.requestTimeout) }
    static var bodyTooLarge: Refusal { Refusal(.bodyTooLarge) }
    static var headTooLarge: Refusal { Refusal(.headTooLarge) }
    static var unusualField: Refusal { .badRequest("unusual header name") }
    static func badRequest(_ detail: StaticString) -> Refusal { Refusal(.badRequest, detail: detail) }
    static func upstreamFailed(_ detail: StaticString) -> Refusal { Refusal(.upstreamFailed, detail: detail) }
    static func upstreamUnavailable(_ detail: StaticString) -> Refusal { Refusal(.upstreamUnavailable, detail: detail) }
    static func upstreamTimeout(_ detail: StaticString) -> Refusal { Refusal(.upstreamTimeout, detail: detail) }
}

extension Refusal.Row {
    /// Status, resultCode and resultMessage. `{detail}` stands where the phrase goes.
    var entry: (status: UInt16, code: Int, message: StaticString) {
        switch self {
        case .ceilingExceeded: (429, 200040, "200040 Tenant quota exceeded")
        case .quotaExceeded: (403, 20004, "20004 Usage quota exceeded")
        case .rateLimited: (429, 4_291_000, "Too Many Requests")
        case .hmacTimestampEmpty: (401, 20001, "20001 HMAC authentication failed (The timestamp field is empty)")
        case .hmacTimestampFormat: (401, 20001, "20001 HMAC authentication failed (Invalid timestamp format)")
        case .hmacExpired: (401, 20001, "20001 HMAC authentication failed (Exceeded expiration time)")
        case .hmacAuthorizationEmpty: (401, 20001, "20001 HMAC authentication failed (The authorization field is empty)")
        case .hmacInvalid: (401, 20001, "20001 HMAC authentication failed (Invalid authorization)")
        case .jwtAuthorizationEmpty: (401, 20002, "20002 JWT authentication failed (The authorization field is empty)")
        case .jwtExpired: (401, 20002, "20002 JWT authentication failed (Exceeded expiration time)")
        case .jwtInvalid: (401, 20002, "20002 JWT authentication failed (Invalid authorization)")
        case .apiKeyEmpty: (403, 4_031_010, "Request api key is empty.")
        case .apiKeyInactive: (403, 4_031_011, "Request api key is inactive.")
        case .apiKeyInvalid: (403, 4_031_012, "Request api key is invalid.")
        case .planQuotaExceeded: (429, 4_291_001, "Usage quota exceeded.")
        case .certificateMissing: (401, 4_013_001, "Client certificate required")
        case .certificateRefused: (401, 4_013_002, "Client certificate not accepted")
        case .misdirected: (421, 4_210_000, "Misdirected Request")
        case .preCallFailed: (502, 20008, "20008 Pre api connection failed")
        case .rewritePatternInvalid: (500, 20005, "20005 URI Pattern's syntax is invalid")
        case .rewriteReplacementInvalid: (500, 20006, "20006 Rewrite URI's syntax is invalid")
        case .notFound: (404, 4_041_007, "URL Not Found")
        case .addressNotAllowed: (403, 4_031_007, "Request IP not allowed")
        case .validationFailed: (400, 4_000_007, "Bad Request ({detail})")
        case .invalidTarget: (400, 4_000_003, "Invalid URI.")
        case .badRequest: (400, 4_000_007, "Bad Request ({detail})")
        case .requestTimeout: (408, 4_080_000, "Request Timeout")
        case .bodyTooLarge: (413, 4_131_000, "Request size is larger than permissible limit.")
        case .headTooLarge: (431, 4_310_000, "Request Header Fields Too Large")
        case .upstreamFailed: (502, 5_020_001, "Upstream Bad Gateway ({detail})")
        case .upstreamUnavailable: (503, 5_030_001, "Upstream Service Unavailable ({detail})")
        case .upstreamTimeout: (504, 5_040_001, "Gateway Timeout ({detail})")
        }
    }
}

extension Refusal.Row {
    /// What WWW-Authenticate says (RFC 9110, 11.6.1); nil for all but 401, which must have it. A token that was refused has
    /// `error` (RFC 6750, 3.1), a request without one has not.
    var challenge: StaticString? {
        switch self {
        case .jwtAuthorizationEmpty: "Bearer"
        case .jwtExpired, .jwtInvalid: "Bearer error=\"invalid_token\""
        case .hmacTimestampEmpty, .hmacTimestampFormat, .hmacExpired, .hmacAuthorizationEmpty, .hmacInvalid: "HMAC"
        // No scheme is registered for certificates; a client has to be told of one.
        case .certificateMissing, .certificateRefused: "ClientCertificate"
        default: nil
        }
    }
}

extension Refusal.Row {
    /// The name in logs and metrics.
    var label: StaticString {
        switch self {
        case .ceilingExceeded: "ceiling_exceeded"
        case .quotaExceeded: "quota_exceeded"
        case .rateLimited: "rate_limited"
        case .hmacTimestampEmpty: "hmac_timestamp_empty"
        case .hmacTimestampFormat: "hmac_timestamp_format"
        case .hmacExpired: "hmac_expired"
        case .hmacAuthorizationEmpty: "hmac_authorization_empty"
        case .hmacInvalid: "hmac_invalid"
        case .jwtAuthorizationEmpty: "jwt_authorization_empty"
        case .jwtExpired: "jwt_expired"
        case .jwtInvalid: "jwt_invalid"
        case .apiKeyEmpty: "api_key_empty"
        case .apiKeyInactive: "api_key_inactive"
        case .apiKeyInvalid: "api_key_invalid"
        case .planQuotaExceeded: "plan_quota_exceeded"
        case .certificateMissing: "certificate_missing"
        case .certificateRefused: "certificate_refused"
        case .misdirected: "misdirected"
        case .preCallFailed: "pre_call_failed"
        case .rewritePatternInvalid: "rewrite_pattern_invalid"
        case .rewriteReplacementInvalid: "rewrite_replacement_invalid"
        case .notFound: "not_found"
        case .addressNotAllowed: "address_not_allowed"
        case .validationFailed: "validation_failed"
        case .invalidTarget: "invalid_target"
        case .badRequest: "bad_request"
        case .requestTimeout: "request_timeout"
        case .bodyTooLarge: "body_too_large"
        case .headTooLarge: "head_too_large"
        case .upstreamFailed: "upstream_failed"
        case .upstreamUnavailable: "upstream_unavailable"
        case .upstreamTimeout: "upstream_timeout"
        }
    }

    /// The part of the gateway that refuses with a row that belongs to no policy: see `PolicyDeclaration.refusals`.
    var part: StaticString {
        switch self {
        case .notFound: "routing"
        case .upstreamFailed, .upstreamUnavailable, .upstreamTimeout: "upstream"
        default: "http"
        }
    }
}

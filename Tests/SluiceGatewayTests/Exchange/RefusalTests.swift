import SluiceHTTP
import Testing

@testable import SluiceGateway

/// The catalogue of errors, written down a second time from what was agreed: callers and dashboards go by these values.
@Suite("Refusals")
struct RefusalTests {
    struct Entry: Sendable {
        let row: Refusal.Row
        let status: UInt16
        let code: Int
        let message: String
        let label: String
        let policy: String

        init(_ row: Refusal.Row, _ status: UInt16, _ code: Int, _ message: String, _ label: String, _ policy: String) {
            self.row = row
            self.status = status
            self.code = code
            self.message = message
            self.label = label
            self.policy = policy
        }
    }

    static let catalogue: [Entry] = [
        Entry(
            .ceilingExceeded, 429, 200040, "200040 Tenant quota exceeded",
            "ceiling_exceeded", "ceiling"),
        Entry(
            .quotaExceeded, 403, 20004, "20004 Usage quota exceeded",
            "quota_exceeded", "usageQuota"),
        Entry(
            .hmacTimestampEmpty, 401, 20001, "20001 HMAC authentication failed (The timestamp field is empty)",
            "hmac_timestamp_empty", "hmac"),
        Entry(
            .hmacTimestampFormat, 401, 20001, "20001 HMAC authentication failed (Invalid timestamp format)",
            "hmac_timestamp_format", "hmac"),
        Entry(
            .hmacExpired, 401, 20001, "20001 HMAC authentication failed (Exceeded expiration time)",
            "hmac_expired", "hmac"),
        Entry(
            .hmacAuthorizationEmpty, 401, 20001, "20001 HMAC authentication failed (The authorization field is empty)",
            "hmac_authorization_empty", "hmac"),
        Entry(
            .hmacInvalid, 401, 20001, "20001 HMAC authentication failed (Invalid authorization)",
            "hmac_invalid", "hmac"),
        Entry(
            .jwtAuthorizationEmpty, 401, 20002, "20002 JWT authentication failed (The authorization field is empty)",
            "jwt_authorization_empty", "jwt"),
        Entry(
            .jwtExpired, 401, 20002, "20002 JWT authentication failed (Exceeded expiration time)",
            "jwt_expired", "jwt"),
        Entry(
            .jwtInvalid, 401, 20002, "20002 JWT authentication failed (Invalid authorization)",
            "jwt_invalid", "jwt"),
        Entry(.certificateMissing, 401, 4_013_001, "Client certificate required", "certificate_missing", "clientCertificate"),
        Entry(.certificateRefused, 401, 4_013_002, "Client certificate not accepted", "certificate_refused", "clientCertificate"),
        Entry(.misdirected, 421, 4_210_000, "Misdirected Request", "misdirected", "clientCertificate"),
        Entry(
            .apiKeyEmpty, 403, 4_031_010, "Request api key is empty.",
            "api_key_empty", "apiKey"),
        Entry(
            .apiKeyInactive, 403, 4_031_011, "Request api key is inactive.",
            "api_key_inactive", "apiKey"),
        Entry(
            .apiKeyInvalid, 403, 4_031_012, "Request api key is invalid.",
            "api_key_invalid", "apiKey"),
        Entry(
            .planQuotaExceeded, 429, 4_291_001, "Usage quota exceeded.",
            "plan_quota_exceeded", "plan"),
        Entry(
            .preCallFailed, 502, 20008, "20008 Pre api connection failed",
            "pre_call_failed", "preCall"),
        Entry(
            .rewritePatternInvalid, 500, 20005, "20005 URI Pattern's syntax is invalid",
            "rewrite_pattern_invalid", "rewrite"),
        Entry(
            .rewriteReplacementInvalid, 500, 20006, "20006 Rewrite URI's syntax is invalid",
            "rewrite_replacement_invalid", "rewrite"),
        Entry(
            .notFound, 404, 4_041_007, "URL Not Found",
            "not_found", "routing"),
        Entry(
            .addressNotAllowed, 403, 4_031_007, "Request IP not allowed",
            "address_not_allowed", "ipAcl"),
        Entry(
            .invalidTarget, 400, 4_000_003, "Invalid URI.",
            "invalid_target", "http"),
        Entry(
            .badRequest, 400, 4_000_007, "Bad Request ({detail})",
            "bad_request", "http"),
        Entry(
            .validationFailed, 400, 4_000_007, "Bad Request ({detail})",
            "validation_failed", "validate"),
        Entry(.rateLimited, 429, 4_291_000, "Too Many Requests", "rate_limited", "rateLimit"),
        Entry(
            .requestTimeout, 408, 4_080_000, "Request Timeout",
            "request_timeout", "http"),
        Entry(
            .bodyTooLarge, 413, 4_131_000, "Request size is larger than permissible limit.",
            "body_too_large", "bodyLimit"),
        Entry(
            .headTooLarge, 431, 4_310_000, "Request Header Fields Too Large",
            "head_too_large", "http"),
        Entry(
            .upstreamFailed, 502, 5_020_001, "Upstream Bad Gateway ({detail})",
            "upstream_failed", "upstream"),
        Entry(
            .upstreamUnavailable, 503, 5_030_001, "Upstream Service Unavailable ({detail})",
            "upstream_unavailable", "upstream"),
        Entry(
            .upstreamTimeout, 504, 5_040_001, "Gateway Timeout ({detail})",
            "upstream_timeout", "upstream"),
    ]

    @Test("every row has the status, code, message, label and policy that were agreed", arguments: catalogue)
    func row(_ agreed: Entry) {
        let entry = agreed.row.entry
        #expect(entry.status == agreed.status)
        #expect(entry.code == agreed.code)
        #expect("\(entry.message)" == agreed.message)
        #expect("\(agreed.row.label)" == agreed.label)
        #expect(agreed.row.policy.string == agreed.policy)
    }

    @Test("the catalogue here names every row once")
    func everyRow() {
        #expect(Set(Self.catalogue.map(\.row)) == Set(Refusal.Row.allCases))
        #expect(Self.catalogue.count == Refusal.Row.allCases.count)
    }

    @Test("two refusals are equal if row and phrase are")
    func equality() {
        #expect(Refusal.badRequest("a") == Refusal.badRequest("a"))
        #expect(Refusal.badRequest("a") != Refusal.badRequest("b"))
        #expect(Refusal.upstreamFailed("a") != Refusal.upstreamTimeout("a"))
    }

    @Test("only the ceiling, rate limits and quotas are limits, of which the response tells more")
    func limits() {
        for row in Refusal.Row.allCases {
            let isForLimit = [Refusal.Row.ceilingExceeded, .quotaExceeded, .rateLimited, .planQuotaExceeded].contains(row)
            #expect(Refusal(row).isForLimit == isForLimit, "\(row)")
        }
    }
}

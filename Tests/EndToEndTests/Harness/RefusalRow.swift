import Foundation
import Testing

/// A row of the contract's error tables, as a client must see it. Written from the contract, not from the source.
struct RefusalRow: Sendable, CustomTestStringConvertible {
    let status: Int
    let code: Int
    let message: String
    /// What WWW-Authenticate says; nil for none.
    let challenge: String?

    var testDescription: String { "\(status) \(code) \(message)" }
    var body: String { "{\"header\":{\"resultCode\":\(code),\"resultMessage\":\"\(message)\",\"isSuccessful\":false}}" }

    init(_ status: Int, _ code: Int, _ message: String, challenge: String? = nil) {
        self.status = status
        self.code = code
        self.message = message
        self.challenge = challenge
    }

    static let ceiling = RefusalRow(429, 200040, "200040 Tenant quota exceeded")
    static let quota = RefusalRow(403, 20004, "20004 Usage quota exceeded")
    static let rateLimit = RefusalRow(429, 4_291_000, "Too Many Requests")
    static let hmacNoTimestamp = RefusalRow(401, 20001, "20001 HMAC authentication failed (The timestamp field is empty)", challenge: "HMAC")
    static let hmacFormat = RefusalRow(401, 20001, "20001 HMAC authentication failed (Invalid timestamp format)", challenge: "HMAC")
    static let hmacExpired = RefusalRow(401, 20001, "20001 HMAC authentication failed (Exceeded expiration time)", challenge: "HMAC")
    static let hmacNoAuthorization = RefusalRow(401, 20001, "20001 HMAC authentication failed (The authorization field is empty)", challenge: "HMAC")
    static let hmacInvalid = RefusalRow(401, 20001, "20001 HMAC authentication failed (Invalid authorization)", challenge: "HMAC")
    static let jwtNoAuthorization = RefusalRow(401, 20002, "20002 JWT authentication failed (The authorization field is empty)", challenge: "Bearer")
    static let jwtExpired = RefusalRow(
        401, 20002, "20002 JWT authentication failed (Exceeded expiration time)", challenge: "Bearer error=\"invalid_token\"")
    static let jwtInvalid = RefusalRow(
        401, 20002, "20002 JWT authentication failed (Invalid authorization)", challenge: "Bearer error=\"invalid_token\"")
    static let keyEmpty = RefusalRow(403, 4_031_010, "Request api key is empty.")
    static let keyInactive = RefusalRow(403, 4_031_011, "Request api key is inactive.")
    static let keyInvalid = RefusalRow(403, 4_031_012, "Request api key is invalid.")
    static let planQuota = RefusalRow(429, 4_291_001, "Usage quota exceeded.")
    static let certificateMissing = RefusalRow(401, 4_013_001, "Client certificate required", challenge: "ClientCertificate")
    static let certificateRefused = RefusalRow(401, 4_013_002, "Client certificate not accepted", challenge: "ClientCertificate")
    static let misdirected = RefusalRow(421, 4_210_000, "Misdirected Request")
    static let preCall = RefusalRow(502, 20008, "20008 Pre api connection failed")
    static let rewritePattern = RefusalRow(500, 20005, "20005 URI Pattern's syntax is invalid")
    static let rewriteReplacement = RefusalRow(500, 20006, "20006 Rewrite URI's syntax is invalid")
    static let notFound = RefusalRow(404, 4_041_007, "URL Not Found")
    static let address = RefusalRow(403, 4_031_007, "Request IP not allowed")
    static let target = RefusalRow(400, 4_000_003, "Invalid URI.")
    static let badRequest = RefusalRow(400, 4_000_007, "Bad Request ({detail})")
    static let validation = RefusalRow(400, 4_000_007, "Bad Request ({detail})")
    static let timeout = RefusalRow(408, 4_080_000, "Request Timeout")
    static let bodyTooLarge = RefusalRow(413, 4_131_000, "Request size is larger than permissible limit.")
    static let headTooLarge = RefusalRow(431, 4_310_000, "Request Header Fields Too Large")
    static let badGateway = RefusalRow(502, 5_020_001, "Upstream Bad Gateway ({detail})")
    static let unavailable = RefusalRow(503, 5_030_001, "Upstream Service Unavailable ({detail})")
    static let upstreamTimeout = RefusalRow(504, 5_040_001, "Gateway Timeout ({detail})")
}

/// Expects exactly this refusal: status, content type, exact length, challenge, body. `{detail}` stands for any phrase of letters,
/// digits, blanks and `-_/.,':*`, at least one.
func expect(_ response: Response, is row: RefusalRow, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(response.status == row.status, "\(response.headText)\(response.text)", sourceLocation: sourceLocation)
    #expect(response.values("Content-Type") == ["application/json; charset=utf-8"], sourceLocation: sourceLocation)
    #expect(response.values("Content-Length") == ["\(response.body.count)"], sourceLocation: sourceLocation)
    #expect(response.values("WWW-Authenticate") == (row.challenge.map { [$0] } ?? []), sourceLocation: sourceLocation)
    let parts = row.body.components(separatedBy: "{detail}")
    if parts.count == 1 {
        #expect(response.text == row.body, sourceLocation: sourceLocation)
    } else {
        let text = response.text
        #expect(text.hasPrefix(parts[0]) && text.hasSuffix(parts[1]), "\(text)", sourceLocation: sourceLocation)
        let detail = text.dropFirst(parts[0].count).dropLast(parts[1].count)
        #expect(!detail.isEmpty, sourceLocation: sourceLocation)
        #expect(detail.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || " -_/.,':*".contains($0)) }, "\(detail)", sourceLocation: sourceLocation)
    }
}

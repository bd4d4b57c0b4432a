/// The codes, texts and form in which a domain's clients are told of errors (`errors`).
///
/// The error itself is the same in each: logs, metrics and `explain` call it by its row in the catalogue.
enum ErrorFamily: UInt8, CaseIterable, BitwiseCopyable, Sendable {
    /// Those of the catalogue: `Refusal.Row.entry`.
    case v1
    /// Codes of seven digits for every error, as callers of the second version of the gateways of this family know them.
    case v2
    /// Problem details: `application/problem+json` (RFC 9457).
    case problem

    /// What `errors` may be in a configuration.
    static let names = allCases.map { "\($0)" }

    /// Nil for another word.
    init?(name: String) {
        guard let family = Self.allCases.first(where: { "\($0)" == name }) else { return nil }
        self = family
    }
}

/// How one family tells of one error.
struct ErrorEntry {
    let status: UInt16
    let code: Int
    /// `{detail}` stands where the phrase goes.
    let message: String
}

/// The errors that `v2` tells apart and the catalogue does not.
enum FinerError: UInt8, CaseIterable, BitwiseCopyable, Sendable {
    case hmacEmpty, hmacAlgorithm, hmacSignatureEmpty, hmacHeaderMissing, hmacDateEmpty, hmacDateFormat, hmacExpired, hmacInvalid, hmacScheme
    case tokenEmpty, tokenType, tokenInvalid
    /// No key set has been had yet: its place does not answer with one, or with none that can be read. Nobody can say whether the token is good.
    case keySetUnavailable, keySetMalformed
    /// What a trusted proxy says of the client's address is no address.
    case clientAddress

    var entry: ErrorEntry {
        switch self {
        case .hmacEmpty: ErrorEntry(status: 401, code: 4_011_001, message: "Authorization is empty.")
        case .hmacAlgorithm: ErrorEntry(status: 401, code: 4_011_002, message: "HmacAlgorithm is empty or not supported algorithm")
        case .hmacSignatureEmpty: ErrorEntry(status: 401, code: 4_011_003, message: "Signature is empty.")
        case .hmacHeaderMissing: ErrorEntry(status: 401, code: 4_011_004, message: "Not include some headers credential.")
        case .hmacDateEmpty: ErrorEntry(status: 401, code: 4_011_005, message: "x-nhn-date header is empty.")
        case .hmacDateFormat:
            ErrorEntry(status: 401, code: 4_011_006, message: "Invalid x-nhn-date format. ISO Datetime format (yyyy-MM-dd'T'hh:mm:ssZ)")
        case .hmacExpired: ErrorEntry(status: 401, code: 4_011_007, message: "expired")
        case .hmacInvalid: ErrorEntry(status: 401, code: 4_011_008, message: "Authorization is invalid.")
        case .hmacScheme: ErrorEntry(status: 401, code: 4_011_009, message: "Authorization header must start with the string hmac.")
        case .tokenEmpty: ErrorEntry(status: 401, code: 4_012_001, message: "Authorization is empty.")
        case .tokenType: ErrorEntry(status: 401, code: 4_012_002, message: "Token type is invalid.")
        case .tokenInvalid: ErrorEntry(status: 401, code: 4_012_003, message: "Token is invalid.")
        case .keySetUnavailable: ErrorEntry(status: 500, code: 5_012_001, message: "jwks url is unavailable.")
        case .keySetMalformed: ErrorEntry(status: 500, code: 5_012_002, message: "jwks format is invalid.")
        case .clientAddress:
            ErrorEntry(status: 400, code: 4_000_006, message: "Client IP is invalid. Check the X-Forwarded-For request header value.")
        }
    }

    /// The row of the catalogue that it is in other families, and whose challenge it has if it is a 401.
    var row: Refusal.Row {
        switch self {
        case .tokenEmpty: .jwtAuthorizationEmpty
        case .tokenType, .tokenInvalid, .keySetUnavailable, .keySetMalformed: .jwtInvalid
        case .clientAddress: .badRequest
        default: .hmacInvalid
        }
    }
}

/// Which text of which family a refusal is told in: a place in `RefusalTexts`.
struct ErrorPlace: BitwiseCopyable {
    let number: Int

    /// A row of the catalogue in one of the families.
    init(_ row: Refusal.Row, in family: ErrorFamily = .v1) {
        number = Int(family.rawValue) * Refusal.Row.allCases.count + Int(row.rawValue)
    }

    init(_ error: FinerError) {
        number = Self.rows + Int(error.rawValue)
    }

    private static var rows: Int { ErrorFamily.allCases.count * Refusal.Row.allCases.count }

    /// The error that it is, where the family tells it apart.
    var finerError: FinerError? { number < Self.rows ? nil : FinerError(rawValue: UInt8(number - Self.rows)) }
}

extension Refusal.Row {
    /// How a family tells of it. A row that `v2` does not have keeps the code and the message of the catalogue.
    ///
    /// - Parameter bodyBytesMax: the longest body that is accepted, of which `v2` tells.
    func entry(in family: ErrorFamily, bodyBytesMax: UInt64) -> ErrorEntry {
        let own = ErrorEntry(status: entry.status, code: entry.code, message: "\(entry.message)")
        switch family {
        case .v1: return own
        case .problem:
            // The code has a member of its own.
            let prefix = "\(own.code) "
            return ErrorEntry(status: own.status, code: own.code, message: own.message.hasPrefix(prefix) ? String(own.message.dropFirst(prefix.count)) : own.message)
        case .v2: return secondVersion(bodyBytesMax) ?? own
        }
    }

    private func secondVersion(_ bodyBytesMax: UInt64) -> ErrorEntry? {
        switch self {
        case .ceilingExceeded: return ErrorEntry(status: 429, code: 4_291_000, message: "Too Many Requests")
        case .quotaExceeded: return ErrorEntry(status: 429, code: 4_291_001, message: "Usage quota exceeded.")
        case .preCallFailed: return ErrorEntry(status: 502, code: 5_021_001, message: "Pre API Connection Failed")
        case .bodyTooLarge:
            let limit = bodyBytesMax % (1 << 20) == 0 ? "\(bodyBytesMax >> 20)mb" : "\(bodyBytesMax) bytes"
            return ErrorEntry(status: 413, code: 4_131_000, message: "Request size is larger than permissible limit. the permissible limit is \(limit).")
        default: return nil
        }
    }
}

extension Refusal {
    /// The detail of a response that does not come in time.
    static let slowResponse: StaticString = "no response in time"
    /// The details of a token for which no key set is there, because none could be fetched, or none that could be read.
    static let keySetUnavailable: StaticString = "key set unavailable"
    static let keySetMalformed: StaticString = "malformed key set"
    /// The detail of a request whose client is not known.
    static let malformedForwarding: StaticString = "malformed X-Forwarded-For"
}

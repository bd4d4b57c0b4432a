/// The catalogue of errors, from the contract.
struct Expected: Equatable {
    var status: Int
    var code: Int
    /// Nil: any detail may stand there.
    var message: String?

    static let ceiling = Expected(status: 429, code: 200040, message: "200040 Tenant quota exceeded")
    static let rateLimit = Expected(status: 429, code: 4_291_000, message: "Too Many Requests")
    static let quota = Expected(status: 403, code: 20004, message: "20004 Usage quota exceeded")
    static func hmac(_ detail: String) -> Expected { Expected(status: 401, code: 20001, message: "20001 HMAC authentication failed (\(detail))") }
    static func jwt(_ detail: String) -> Expected { Expected(status: 401, code: 20002, message: "20002 JWT authentication failed (\(detail))") }
    static let preCall = Expected(status: 502, code: 20008, message: "20008 Pre api connection failed")
    static let notFound = Expected(status: 404, code: 4041007, message: "URL Not Found")
    static let address = Expected(status: 403, code: 4031007, message: "Request IP not allowed")
    static let target = Expected(status: 400, code: 4000003, message: "Invalid URI.")
    static let malformed = Expected(status: 400, code: 4000007, message: nil)
    static let slow = Expected(status: 408, code: 4080000, message: "Request Timeout")
    static let tooLarge = Expected(status: 413, code: 4131000, message: "Request size is larger than permissible limit.")
    static let headTooLarge = Expected(status: 431, code: 4310000, message: "Request Header Fields Too Large")
    static let badGateway = Expected(status: 502, code: 5020001, message: nil)
    static let unavailable = Expected(status: 503, code: 5030001, message: nil)
    static let timeout = Expected(status: 504, code: 5040001, message: nil)

    var isTooLate: Bool { self == .timeout }

    /// How long its body is; nil where any detail may stand in it.
    var bodyCount: Int? { message.map { "{\"header\":{\"resultCode\":\(code),\"resultMessage\":\"\($0)\",\"isSuccessful\":false}}".utf8.count } }

    func isSaid(by body: String) -> Bool {
        guard let message else {
            return body.hasPrefix("{\"header\":{\"resultCode\":\(code),\"resultMessage\":\"") && body.hasSuffix("\",\"isSuccessful\":false}}")
        }
        return body == "{\"header\":{\"resultCode\":\(code),\"resultMessage\":\"\(message)\",\"isSuccessful\":false}}"
    }
}

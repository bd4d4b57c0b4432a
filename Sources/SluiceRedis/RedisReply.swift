internal import CHiredis

/// What Redis answered to one command.
enum RedisReply: Equatable {
    case integer(Int)
    case bytes([UInt8])
    case array([RedisReply])
    /// The error's text, beginning with its kind in capitals.
    case error(String)
    case null

    init(_ reply: UnsafePointer<redisReply>) {
        switch reply.pointee.type {
        case REDIS_REPLY_INTEGER: self = .integer(Int(reply.pointee.integer))
        case REDIS_REPLY_STRING, REDIS_REPLY_STATUS: self = .bytes(Self.bytes(reply))
        case REDIS_REPLY_ERROR: self = .error(String(decoding: Self.bytes(reply), as: UTF8.self))
        case REDIS_REPLY_ARRAY:
            self = .array(
                (0..<reply.pointee.elements).map { index in
                    reply.pointee.element[index].map { RedisReply(UnsafePointer($0)) } ?? .null
                })
        default: self = .null
        }
    }

    private static func bytes(_ reply: UnsafePointer<redisReply>) -> [UInt8] {
        guard let text = reply.pointee.str else { return [] }
        return Array(UnsafeRawBufferPointer(start: text, count: reply.pointee.len))
    }

    var elements: [RedisReply]? {
        if case .array(let elements) = self { elements } else { nil }
    }

    var text: String? {
        if case .bytes(let bytes) = self { String(decoding: bytes, as: UTF8.self) } else { nil }
    }

    var number: Int? {
        if case .integer(let number) = self { number } else { nil }
    }

    /// Largest number that is taken from a reply: scripts count in doubles, and nothing that is counted comes near.
    static let amountMax: UInt64 = 1 << 52

    /// A number that is not negative and that a script can have counted.
    var amount: UInt64? { number.flatMap { UInt64(exactly: $0) }.flatMap { $0 <= Self.amountMax ? $0 : nil } }
}

internal import CHiredis

/// One command and its arguments, in one piece of memory.
struct RedisCommand {
    private var bytes: [UInt8] = []
    private var ends: [Int] = []

    init(_ words: String...) {
        for word in words { append(word) }
    }

    mutating func append(_ word: String) {
        bytes.append(contentsOf: word.utf8)
        ends.append(bytes.count)
    }

    mutating func append(_ word: [UInt8]) {
        bytes.append(contentsOf: word)
        ends.append(bytes.count)
    }

    /// Scripts count in doubles: beyond 2^52 a number would lose its last digits, and nothing that is counted comes near.
    mutating func append(_ number: UInt64) { append(String(min(number, RedisReply.amountMax))) }

    /// The protocol's form of it; nil if there is no memory.
    var formatted: [UInt8]? {
        bytes.withUnsafeBytes { memory in
            let base = memory.bindMemory(to: CChar.self).baseAddress
            var arguments: [UnsafePointer<CChar>?] = []
            var lengths: [Int] = []
            var start = 0
            for end in ends {
                arguments.append(base.map { $0 + start })
                lengths.append(end - start)
                start = end
            }
            var text: UnsafeMutablePointer<CChar>?
            let count = redisFormatCommandArgv(&text, Int32(clamping: ends.count), &arguments, lengths)
            guard count >= 0, let text else { return nil }
            defer { redisFreeCommand(text) }
            return Array(UnsafeRawBufferPointer(start: text, count: Int(count)))
        }
    }
}

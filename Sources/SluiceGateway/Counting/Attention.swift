/// What a worker tells the keeper: which project's share or which condition's purse does not suffice.
enum Attention: Equatable {
    case ceiling(Int)
    case quota(Int)

    /// As it stands in an `AttentionQueue`.
    var word: UInt64 {
        switch self {
        case .ceiling(let number): UInt64(number) << 1
        case .quota(let number): UInt64(number) << 1 | 1
        }
    }

    init(word: UInt64) { self = word & 1 == 0 ? .ceiling(Int(word >> 1)) : .quota(Int(word >> 1)) }
}

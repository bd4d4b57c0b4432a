import SluiceCounting

/// What a worker tells the keeper: which project's share or which condition's purse does not suffice, and which caller's use of its plan is to be counted.
enum Attention: Equatable {
    case ceiling(Int)
    case quota(Int)
    /// As `CallerAccounts` numbers them.
    case account(UInt64)

    /// As it stands in an `AttentionQueue`.
    var word: UInt64 {
        switch self {
        case .ceiling(let number): UInt64(number) << 2
        case .quota(let number): UInt64(number) << 2 | 1
        case .account(let number): number << 2 | 2
        }
    }

    init(word: UInt64) {
        switch word & 3 {
        case 0: self = .ceiling(Int(word >> 2))
        case 1: self = .quota(Int(word >> 2))
        default: self = .account(word >> 2)
        }
    }
}

/// Callers whose use of their plans is counted: a purse each, from a caller's first request on.
protocol CallerAccounts: AnyObject, Sendable {
    /// What is to be counted of a caller that has asked; nil if nothing is, or not any more. The keeper's thread.
    func condition(ofAccount number: UInt64) -> (key: QuotaKey, limit: UInt64)?
    /// Its purse, from which it may take from now on, unless the condition is another one by now. The keeper's thread.
    func open(_ number: UInt64, _ condition: (key: QuotaKey, limit: UInt64), quota: Int, _ words: QuotaPurse.Words)
}

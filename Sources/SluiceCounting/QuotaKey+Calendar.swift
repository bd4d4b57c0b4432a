// Which window a moment is in, and when that ends. Windows have numbers, one after the other: those of a fixed length count it from the Unix epoch, months count from
// January 1970. Everything else about windows goes by their length alone, for which a month is as long as the longest.

extension QuotaKey {
    /// As `perSeconds`: not a length but calendar months, in UTC. Longer than any other window may be.
    public static var month: UInt64 { 2_678_400 }

    /// The number of the window that a moment is in.
    ///
    /// - Parameter seconds: since the Unix epoch.
    @inlinable
    public static func window(at seconds: UInt64, perSeconds: UInt64) -> UInt64 {
        perSeconds == month ? self.month(at: seconds) : seconds / perSeconds
    }

    /// The first second behind a window, since the Unix epoch.
    public static func end(of window: UInt64, perSeconds: UInt64) -> UInt64 {
        perSeconds == month ? firstDay(ofMonth: window &+ 1) &* 86_400 : (window &+ 1) &* perSeconds
    }

    /// The same of this condition.
    package func window(at seconds: UInt64) -> UInt64 { Self.window(at: seconds, perSeconds: max(1, perSeconds)) }
    package func start(of window: UInt64) -> UInt64 { window == 0 ? 0 : end(of: window - 1) }
    package func end(of window: UInt64) -> UInt64 { Self.end(of: window, perSeconds: max(1, perSeconds)) }

    /// Months since January 1970. Days are counted from March of the year 0, so that a leap day is a year's last.
    @usableFromInline
    static func month(at seconds: UInt64) -> UInt64 {
        let day = seconds / 86_400 &+ 719_468
        let era = day / 146_097
        let ofEra = day - era * 146_097
        let year = (ofEra - ofEra / 1460 + ofEra / 36_524 - ofEra / 146_096) / 365
        let ofYear = ofEra - (365 * year + year / 4 - year / 100)
        // 0 is March.
        let month = (5 * ofYear + 2) / 153
        return (year + era * 400) * 12 + month + 2 - 1970 * 12
    }

    /// Days from 1970-01-01 to the first of a month.
    static func firstDay(ofMonth number: UInt64) -> UInt64 {
        // Months since March of the year 0.
        let months = number &+ 1970 * 12 &- 2
        let (year, month) = (months / 12, months % 12)
        let era = year / 400
        let ofEra = year - era * 400
        return era * 146_097 + ofEra * 365 + ofEra / 4 - ofEra / 100 + (153 * month + 2) / 5 - 719_468
    }
}

/// Whose use of a plan a condition counts: that of one caller.
extension QuotaKey {
    /// No domain's key begins like this, so no other condition has such an owner.
    private static let prefix = "/callers/"
    package static let day: UInt64 = 86_400

    /// - Parameter name: says which caller, in which of its domains.
    package init(caller name: String, perSeconds: UInt64) { self.init(owner: Self.prefix + name, perSeconds: perSeconds) }

    package var isOfCaller: Bool { owner.hasPrefix(Self.prefix) }

    /// The same caller's by the other calendar: what was used goes over from one to the other. Nil for conditions of others.
    package var other: QuotaKey? {
        guard isOfCaller else { return nil }
        return QuotaKey(owner: owner, perSeconds: perSeconds == Self.month ? Self.day : Self.month)
    }
}

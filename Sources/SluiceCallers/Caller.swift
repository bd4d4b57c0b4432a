/// Who may call, known by one or two keys.
package struct Caller: Sendable, Equatable {
    /// Where a caller may call, and what limits hold there.
    package struct Grant: Sendable, Equatable {
        /// A domain's key; nil for every domain that has no grant of its own.
        package var domain: String?
        /// Name of a plan; nil for none, and so no limit.
        package var plan: String?
        /// How often the caller's use of plans was cleared here. Counts that were made before another number do not count. At most `CallerRules.clearingsMax`.
        package var clearings: UInt32

        package init(domain: String?, plan: String?, clearings: UInt32 = 0) {
            self.domain = domain
            self.plan = plan
            self.clearings = clearings
        }

        /// As it is written: `PLAN`, `DOMAIN=PLAN`, with `none` for no plan.
        package var text: String { (domain.map { "\($0)=" } ?? "") + (plan ?? Plan.none) }
    }

    /// What may be known of a caller at a moment.
    package enum Standing: String, Sendable {
        case active, disabled, notYetValid, expired
    }

    /// Stays a caller's as long as it is known, and is nobody else's afterwards. 0 for one that is not stored yet.
    package var id: UInt32 = 0
    /// 1 to 50 letters, digits and `-._@+`.
    package var name: String
    /// At most 200 bytes.
    package var description = ""
    package var isEnabled = true
    /// Seconds since the Unix epoch: the first at which it may call; nil for always.
    package var notBefore: Int64?
    /// The first second at which it may call no more; nil for never.
    package var expires: Int64?
    /// At most one for each domain, and one for all others. Where none holds, the caller is unknown.
    package var grants: [Grant] = [Grant(domain: nil, plan: nil)]
    package var primary: KeyDigest?
    package var secondary: KeyDigest?
    /// Seconds since the Unix epoch.
    package var created: Int64 = 0

    package init(name: String) { self.name = name }

    /// Its keys, at most two.
    package var digests: [KeyDigest] { [primary, secondary].compactMap { $0 } }

    package func standing(at now: Int64) -> Standing {
        guard isEnabled else { return .disabled }
        if let notBefore, now < notBefore { return .notYetValid }
        if let expires, now >= expires { return .expired }
        return .active
    }
}

/// What callers are held to.
package struct Plan: Sendable, Equatable {
    /// The calendar, in UTC, by which a quota begins anew.
    package enum Period: String, Sendable, CaseIterable {
        case day, month
    }

    package struct Quota: Sendable, Equatable {
        /// Requests of a period, 1 to 2,147,483,647.
        package var limit: UInt64
        package var per: Period

        package init(limit: UInt64, per: Period) {
            self.limit = limit
            self.per = per
        }
    }

    /// What stands for no plan, so that none has this name.
    package static let none = "none"
    package static let perSecondRange: ClosedRange<Int64> = 1...5000
    package static let quotaRange: ClosedRange<Int64> = 1...2_147_483_647

    /// As a caller's.
    package var name: String
    /// Requests in any interval of one second; nil for no limit.
    package var requestsPerSecond: UInt64?
    /// Nil for none.
    package var quota: Quota?

    package init(name: String, requestsPerSecond: UInt64? = nil, quota: Quota? = nil) {
        self.name = name
        self.requestsPerSecond = requestsPerSecond
        self.quota = quota
    }
}

/// What callers and plans may be called, and what keys may be.
package enum CallerRules {
    package static let nameBytesMax = 50
    package static let descriptionBytesMax = 200
    package static let nameAllowed = "1 to \(nameBytesMax) letters, digits and any of -._@+"
    /// Of a key that somebody chooses.
    package static let keyCounts = 10...40
    package static let keyAllowed = "\(keyCounts.lowerBound) to \(keyCounts.upperBound) letters and digits"
    /// Characters of a key that is made: more than 200 random bits.
    package static let keyCount = 40
    /// Of fewer characters a key can perhaps be found from its digest.
    package static let keyCountAdvised = 22
    /// Bytes of a key that a request may present; a longer one is nobody's.
    package static let presentedBytesMax = 256
    /// Grants of one caller.
    package static let grantsMax = 64
    /// `Caller.Grant.clearings` goes from 0 to this, and begins again.
    package static let clearingsMax: UInt32 = 65_535
    package static let domainBytesMax = 255

    /// The names go into logs, fields and labels as they are.
    package static func isName(_ name: String) -> Bool {
        (1...nameBytesMax).contains(name.utf8.count) && name.utf8.allSatisfy { isAlphanumeric($0) || "-._@+".utf8.contains($0) }
    }

    /// What is said of a caller in a few words.
    package static func isDescription(_ text: String) -> Bool {
        text.utf8.count <= descriptionBytesMax && !text.unicodeScalars.contains { $0.value < 32 || $0.value == 127 }
    }

    package static func isDomain(_ key: String) -> Bool {
        (1...domainBytesMax).contains(key.utf8.count) && key != "*" && !key.unicodeScalars.contains { $0.value < 32 || $0.value == 127 }
    }

    package static func isPlanName(_ name: String) -> Bool { isName(name) && name != Plan.none }

    package static func isKey(_ key: String) -> Bool { keyCounts.contains(key.utf8.count) && key.utf8.allSatisfy(isAlphanumeric) }

    /// Letters and digits of random bytes, each as likely as the others. Nil if the bytes do not suffice: twice `keyCount` do.
    package static func key(from bytes: [UInt8]) -> String? {
        let digits = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
        // The bytes beyond a multiple of 62 would favour the first digits.
        let text = bytes.filter { $0 < 248 }.prefix(keyCount).map { digits[Int($0) % digits.count] }
        return text.count == keyCount ? String(decoding: text, as: UTF8.self) : nil
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"): true
        default: false
        }
    }
}

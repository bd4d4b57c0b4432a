import Foundation
import GRDB
import SluiceCallers

/// Callers and plans as rows of `keys.sqlite`. Nothing in a row is believed: whoever can write the file may have edited it, and a disk may have changed it.
///
/// A caller of whom anything is damaged is unknown as a whole. To pass over what is damaged alone could let it in where it may not call: a caller whose plan for a
/// domain is lost would have its plan for all others there.
enum CallerRecord {
    /// What is wrong with a row: part of a line for the log.
    struct Fault: Error {
        let text: String
    }

    static let columns = "id, name, description, enabled, not_before, expires, created"
    static let keyColumns = "caller, place, digest"
    static let accessColumns = "caller, domain, plan, clearings"
    static let planColumns = "name, per_second, quota, period"

    // MARK: Rows

    /// Of `columns`; still without keys and grants.
    static func caller(_ row: Row) throws(Fault) -> Caller {
        guard let id = integer(row, 0), let number = UInt32(exactly: id), number > 0 else { throw Fault(text: "its id is not one that a caller can have") }
        guard let name = text(row, 1), CallerRules.isName(name) else { throw Fault(text: "its name must have \(CallerRules.nameAllowed)") }
        guard let description = text(row, 2), CallerRules.isDescription(description) else {
            throw Fault(text: "its description must be a text of at most \(CallerRules.descriptionBytesMax) bytes")
        }
        guard let enabled = integer(row, 3), (0...1).contains(enabled) else { throw Fault(text: "`enabled` must be 0 or 1") }
        guard let created = integer(row, 6), CallerTimes.range.contains(created) else { throw Fault(text: "`created` must be a time") }
        var caller = Caller(name: name)
        caller.id = number
        caller.description = description
        caller.isEnabled = enabled == 1
        caller.notBefore = try time(row, 4, "not_before")
        caller.expires = try time(row, 5, "expires")
        caller.created = created
        caller.grants = []
        return caller
    }

    /// One of `keyColumns`.
    static func take(key row: Row, into caller: inout Caller) throws(Fault) {
        guard case .blob(let bytes) = value(row, 2), let digest = KeyDigest(Array(bytes)) else {
            throw Fault(text: "the digest of a key must have \(KeyDigest.byteCount) bytes")
        }
        switch integer(row, 1) {
        case 0 where caller.primary == nil: caller.primary = digest
        case 1 where caller.secondary == nil: caller.secondary = digest
        default: throw Fault(text: "the `place` of a key must be 0 or 1, and no other's")
        }
    }

    /// One of `accessColumns`. No domain is called by an empty text.
    static func take(access row: Row, into caller: inout Caller) throws(Fault) {
        guard let domain = text(row, 1), domain.isEmpty || CallerRules.isDomain(domain) else { throw Fault(text: "`domain` must be a domain's key, or empty for all") }
        let plan = text(row, 2)
        guard plan.map(CallerRules.isPlanName) ?? (value(row, 2) == .null) else { throw Fault(text: "`plan` must be a plan's name, or NULL for none") }
        guard let clearings = integer(row, 3), (0...Int64(CallerRules.clearingsMax)).contains(clearings) else {
            throw Fault(text: "`clearings` must be 0 to \(CallerRules.clearingsMax)")
        }
        let grant = Caller.Grant(domain: domain.isEmpty ? nil : domain, plan: plan, clearings: UInt32(clearings))
        guard caller.grants.count < CallerRules.grantsMax, !caller.grants.contains(where: { $0.domain == grant.domain }) else {
            throw Fault(text: "a caller has at most \(CallerRules.grantsMax) rows in `access`, each for another domain")
        }
        caller.grants.append(grant)
    }

    /// Of `planColumns`.
    static func plan(_ row: Row) throws(Fault) -> Plan {
        guard let name = text(row, 0), CallerRules.isPlanName(name) else { throw Fault(text: "its name must have \(CallerRules.nameAllowed), and must not be `none`") }
        var plan = Plan(name: name)
        if value(row, 1) != .null {
            guard let rate = integer(row, 1), Plan.perSecondRange.contains(rate) else {
                throw Fault(text: "`per_second` must be 1 to \(Plan.perSecondRange.upperBound), or NULL for no limit")
            }
            plan.requestsPerSecond = UInt64(rate)
        }
        guard value(row, 2) != .null || value(row, 3) != .null else { return plan }
        guard let limit = integer(row, 2), Plan.quotaRange.contains(limit), let per = text(row, 3).flatMap(Plan.Period.init(rawValue:)) else {
            throw Fault(text: "`quota` must be 1 to \(Plan.quotaRange.upperBound) and `period` day or month, or both NULL")
        }
        plan.quota = Plan.Quota(limit: UInt64(limit), per: per)
        return plan
    }

    /// Which row it is, and what is wrong with it.
    static func damage(_ kind: String, _ row: Row, name column: Int, _ fault: Fault) -> String {
        var which = text(row, column).map { " " + CallerBook.quoted($0) } ?? ""
        if kind == "caller", let id = integer(row, 0) { which += " (id \(id))" }
        return "the \(kind)\(which) in \(CallerDatabase.fileName) is damaged: \(fault.text)"
    }

    // MARK: Values

    static func value(_ row: Row, _ column: Int) -> DatabaseValue.Storage { (row[column] as DatabaseValue).storage }

    /// Nil for what is no integer.
    static func integer(_ row: Row, _ column: Int) -> Int64? {
        if case .int64(let number) = value(row, column) { number } else { nil }
    }

    /// Nil for what is no text.
    static func text(_ row: Row, _ column: Int) -> String? {
        if case .string(let text) = value(row, column) { text } else { nil }
    }

    private static func time(_ row: Row, _ column: Int, _ name: String) throws(Fault) -> Int64? {
        if value(row, column) == .null { return nil }
        guard let seconds = integer(row, column), CallerTimes.range.contains(seconds) else { throw Fault(text: "`\(name)` must be a time, or NULL") }
        return seconds
    }
}

import SluiceConfiguration
import SluiceHTTP

/// Gives every method token that a configuration names its bit. One for a whole snapshot, so that a request's method
/// is looked up once, before its domain is known.
final class MethodRegistry {
    /// In the order of their bits.
    private(set) var furtherTokens: [String] = []
    private var furtherBits: [String: Int] = [:]

    /// The methods that an endpoint lists, as listed: HEAD is not added for GET. Nil `names` is every method but OPTIONS and TRACE.
    ///
    /// Returns nil where nothing usable is listed. A token that is none (RFC 9110, 9.1), a standard method in
    /// lower-case letters (methods are case-sensitive), an empty list and too many different tokens are problems.
    func methods(_ names: Located<[Located<String>]>?, problems: Problems) -> MethodSet? {
        guard let names else { return .unlisted }
        if names.value.isEmpty {
            problems.add(
                at: names, found: "an empty list", allowed: "at least one method, or no `methods` for all except OPTIONS and TRACE")
            return nil
        }
        var methods = MethodSet.none
        for name in names.value {
            if let method = bit(named: name, problems: problems) { methods = methods.union(method) }
        }
        return methods.isEmpty ? nil : methods
    }

    /// The names of the methods in a set, for problems and `explain`; unknown tokens are left out.
    func names(of methods: MethodSet) -> [String] {
        var names = Self.standard.filter { methods.intersects(MethodSet($0.method)) }.map(\.name)
        for (index, token) in furtherTokens.enumerated()
        where methods.bits & (1 << UInt64(index + Method.allCases.count)) != 0 {
            names.append(token)
        }
        return names
    }

    private static let standard: [(name: String, method: Method)] = [
        ("GET", .get), ("HEAD", .head), ("POST", .post), ("PUT", .put), ("DELETE", .delete), ("OPTIONS", .options),
        ("PATCH", .patch), ("CONNECT", .connect), ("TRACE", .trace),
    ]

    /// Tokens that would pass as methods, and never match a request.
    private static let unusable = [
        "*": "methods, or no `methods` for all but OPTIONS and TRACE",
        "CONNECT": "a method that a path can be asked with: tunnels are not for a gateway",
    ]

    private func bit(named name: Located<String>, problems: Problems) -> MethodSet? {
        let token = name.value
        if let hint = Self.unusable[token] {
            problems.add(at: name, found: Quoting.quoted(token), allowed: hint)
            return nil
        }
        if let known = Self.standard.first(where: { $0.name == token }) { return MethodSet(known.method) }
        let upperCase = token.uppercased()
        if Self.standard.contains(where: { $0.name == upperCase }) {
            problems.add(
                at: name, found: Quoting.quoted(token),
                allowed: "\(upperCase), in upper-case letters: methods are case-sensitive")
            return nil
        }
        guard FieldSyntax.isToken(token) else {
            problems.add(
                at: name, found: Quoting.quoted(token), allowed: "a method: letters, digits and !#$%&'*+-.^_`|~")
            return nil
        }
        if let bit = furtherBits[token] { return MethodSet(bits: 1 << UInt64(bit)) }
        let bit = Method.allCases.count + furtherTokens.count
        guard bit < MethodSet.capacity else {
            problems.add(
                at: name, found: "the further method \(Quoting.quoted(token))",
                allowed: "at most \(MethodSet.capacity - Method.allCases.count) methods beside the standard ones")
            return nil
        }
        furtherTokens.append(token)
        furtherBits[token] = bit
        return MethodSet(bits: 1 << UInt64(bit))
    }
}

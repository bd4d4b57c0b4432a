import SluiceHTTP

/// The name of a claim as an operator writes it: a member of the token's payload, or, with dots, the way to one inside of objects
/// (`realm_access.roles`).
///
/// Names may hold dots themselves, as those that are URLs do (RFC 7519, 4.2). So at each level the longest member counts that the rest of the
/// path begins with, up to a dot or to its end, and no other: a claim that has the whole path as its name is meant wherever there is one. What
/// a path means for a token is decided by the names that whoever signed it has given, and takes one pass over each object on the way.
struct ClaimPath: BitwiseCopyable {
    let text: ByteView
    private let hasDots: Bool

    init(_ text: ByteView) {
        self.text = text
        hasDots = text.index(of: UInt8(ascii: "."), from: 0) < text.count
    }

    /// Nil where there is no such claim.
    func value(in claims: JSONObject) -> JSONValue? {
        if let value = claims.value(of: text) { return value }
        return hasDots ? nested(in: claims) : nil
    }

    @inline(never)
    private func nested(in claims: JSONObject) -> JSONValue? {
        var end = text.count - 1
        while end >= 0 {
            if text[end] == UInt8(ascii: "."), let value = claims.value(of: text[..<end]) { return Self.value(of: text[(end + 1)...], in: value) }
            end -= 1
        }
        return nil
    }

    /// What a path leads to from an object on.
    private static func value(of path: ByteView, in object: JSONValue) -> JSONValue? {
        var rest = path
        var object = object
        while true {
            var longest: (count: Int, value: JSONValue)?
            var members = JSONMembers(object)
            while let member = members.next() {
                guard let count = countOfStart(member.name, of: rest), count > longest?.count ?? -1 else { continue }
                longest = (count, member.value)
            }
            guard let longest else { return nil }
            if longest.count == rest.count { return longest.value }
            rest = rest[(longest.count + 1)...]
            object = longest.value
        }
    }

    /// Bytes of the name if the path begins with it, as a whole or up to a dot.
    private static func countOfStart(_ name: JSONString, of path: ByteView) -> Int? {
        var count = 0
        if name.hasEscapes {
            var bytes = JSONStringBytes(name)
            while let byte = bytes.next() {
                guard count < path.count, path[count] == byte else { return nil }
                count += 1
            }
        } else {
            count = name.raw.count
            guard count <= path.count, path[..<count].equals(name.raw) else { return nil }
        }
        return count == path.count || path[count] == UInt8(ascii: ".") ? count : nil
    }
}

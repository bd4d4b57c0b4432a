@testable import SluiceGateway
@testable import SluiceHTTP

/// A JSON Web Key Set, as it comes from an identity provider.
enum KeySetFuzz: FuzzTarget {
    static let name = "key-set"

    static func run(_ input: ByteView) {
        guard let set = try? KeySet(input.array) else { return }
        require(set.keys.count <= KeySet.keysMax, "\(set.keys.count) keys")
        let named = set.keys.compactMap(\.id)
        require(Set(named).count == named.count, "two keys of one name")
        let again = try? KeySet(set.text)
        require(again?.keys.map(\.id) == set.keys.map(\.id), "other keys the second time")
    }
}

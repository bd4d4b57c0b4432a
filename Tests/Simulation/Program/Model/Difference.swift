/// What the gateway did and the contract does not allow.
struct Difference: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

func require(_ condition: Bool, _ text: @autoclosure () -> String) throws(Difference) {
    if !condition { throw Difference(text()) }
}

/// A step of a test's machinery that could not be done. The message says which, and what was seen instead.
struct HarnessError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

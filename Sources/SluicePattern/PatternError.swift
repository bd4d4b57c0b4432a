/// Why a regular expression does not compile.
package struct PatternError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Bytes of the pattern before the place where the error was noticed. 0 to the pattern's length.
    package let offset: Int
    /// PCRE2's own words; no part of the pattern.
    package let message: String

    package init(offset: Int, message: String) {
        self.offset = offset
        self.message = message
    }

    package var description: String { "\(message) at offset \(offset)" }
}

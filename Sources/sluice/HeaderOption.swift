import ArgumentParser

/// `-H 'Name: value'`, as curl takes it.
struct HeaderOption: ParsableArguments {
    @Option(name: [.customShort("H"), .customLong("header")], help: ArgumentHelp("A header line of the request; may be repeated.", valueName: "Name: value"))
    var header: [String] = []

    /// Names and values without the blanks around them.
    func fields() throws -> [(name: String, value: String)] {
        try header.map { line in
            guard let colon = line.firstIndex(of: ":"), colon != line.startIndex,
                line.utf8.allSatisfy({ $0 != 0 && $0 != UInt8(ascii: "\r") && $0 != UInt8(ascii: "\n") })
            else { throw ValidationError("-H takes one line 'Name: value'") }
            return (String(line[..<colon]), Self.trimmed(line[line.index(after: colon)...]))
        }
    }

    private static func trimmed(_ text: Substring) -> String {
        let isBlank = { (character: Character) in character == " " || character == "\t" }
        let start = text.drop(while: isBlank)
        return String(start.reversed().drop(while: isBlank).reversed())
    }
}

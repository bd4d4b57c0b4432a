/// Parts of a reference in Markdown: headings and tables, each with an empty line behind it.
package struct ReferencePage {
    package private(set) var text = ""

    package init() {}

    /// - Parameter level: 2 for the sections of a page.
    package mutating func heading(_ title: String, level: Int = 2) {
        text += String(repeating: "#", count: level) + " \(title)\n\n"
    }

    package mutating func paragraph(_ sentence: String) {
        text += sentence + "\n\n"
    }

    /// All rows have as many cells as the heading.
    package mutating func table(_ heading: [String], _ rows: [[String]]) {
        text += Self.line(heading) + Self.line(heading.map { _ in "---" }).replacing(" ", with: "")
        for row in rows { text += Self.line(row) }
        text += "\n"
    }

    /// A bar would end the cell.
    private static func line(_ cells: [String]) -> String {
        "| " + cells.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ") + " |\n"
    }
}

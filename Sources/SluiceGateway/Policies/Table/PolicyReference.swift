import SluiceConfiguration
import SluiceHTTP

/// `sluice reference policies`: every policy, in the order in which the chain asks them, in Markdown.
package enum PolicyReference {
    package static var text: String {
        var page = ReferencePage()
        page.table(["policy", "under", "refuses with", "may wait for", "remembers"], rows.map { policy in
            let declaration = policy.declaration
            let refusals = declaration.refusals.map { "\($0.entry.status) `\($0.entry.code)`" }
            return [
                "`\(policy.key)`", cell(declaration.places.map { "\($0.level)" }), cell(unique(refusals)),
                cell(declaration.waitsFor.map(\.rawValue)), cell(declaration.remembers.isEmpty ? [] : [declaration.remembers]),
            ]
        })
        return page.text
    }

    /// What can neither be written nor be an error's owner is none of the reader's business.
    private static var rows: [any Policy.Type] { PolicyTable.all.filter { !$0.declaration.places.isEmpty || !$0.declaration.refusals.isEmpty } }

    private static func cell(_ texts: [String]) -> String { texts.isEmpty ? "-" : texts.joined(separator: ", ") }

    private static func unique(_ texts: [String]) -> [String] {
        texts.enumerated().filter { index, text in !texts[..<index].contains(text) }.map(\.element)
    }
}

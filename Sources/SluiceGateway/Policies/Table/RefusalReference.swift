import SluiceConfiguration
import SluiceHTTP

/// `sluice reference errors`: every error that the gateway answers itself, in Markdown.
package enum RefusalReference {
    package static var text: String {
        var page = ReferencePage()
        page.table(["status", "resultCode", "resultMessage", "policy", "refusal", "when"], Refusal.Row.allCases.map { row in
            let entry = row.entry
            return ["\(entry.status)", "\(entry.code)", "`\(entry.message)`", "`\(row.policy.string)`", "`\(row.label)`", row.meaning]
        })
        return page.text
    }
}

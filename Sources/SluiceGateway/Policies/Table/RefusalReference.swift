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
        page.heading("Errors of `v2`")
        // A row with a challenge is told by a `FinerError`, but for those of certificates.
        let rows = Refusal.Row.allCases.filter { $0.challenge == nil || ClientCertificates.declaration.refusals.contains($0) }
        let entries = rows.map { ($0.entry(in: .v2, bodyBytesMax: 10 << 20), "`\($0.label)`") }
            + FinerError.allCases.map { ($0.entry, "`\($0.row.policy.string)`") }
        page.table(["status", "resultCode", "resultMessage", "refusal or policy"], entries.sorted { $0.0.code < $1.0.code }.map { entry, source in
            ["\(entry.status)", "\(entry.code)", "`\(entry.message)`", source]
        })
        return page.text
    }
}

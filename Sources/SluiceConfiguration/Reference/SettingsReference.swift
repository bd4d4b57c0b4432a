/// `sluice reference settings`: every process setting, in Markdown.
package enum SettingsReference {
    package static var text: String {
        var page = ReferencePage()
        page.table(["variable", "flag", "allowed", "default", "meaning"], Setting.all.map { setting in
            let isWritten = !setting.defaultText.contains(" ") && setting.defaultText != "none"
            let shown = isWritten ? "`\(setting.defaultText)`" : setting.defaultText
            return ["`\(setting.name)`", "`--\(setting.flag)`", setting.allowed, shown, setting.meaning]
        })
        return page.text
    }
}

/// `sluice reference settings`: every process setting, in Markdown.
package enum SettingsReference {
    package static var text: String {
        var page = ReferencePage()
        let defaults = ProcessSettings()
        page.table(["variable", "flag", "allowed", "default", "meaning"], Setting.all.map { setting in
            ["`\(setting.name)`", "`--\(setting.flag)`", setting.allowed, defaultText(setting, defaults), setting.meaning]
        })
        return page.text
    }

    /// The number of processors is this machine's.
    private static func defaultText(_ setting: Setting, _ defaults: ProcessSettings) -> String {
        if setting.name == "SLUICE_WORKERS" { return "the number of processors" }
        let text = setting.text(in: defaults)
        return text == "none" ? "none" : "`\(text)`"
    }
}

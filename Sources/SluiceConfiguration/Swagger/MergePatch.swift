/// What one tree lacks of another, as JSON Merge Patch (RFC 7386): a mapping holds the keys that differ, null removes a
/// key, and everything that is not a mapping replaces what was there.
enum MergePatch {
    /// What `apply` needs in order to make `target` from `base`; nil if they are equal. Nulls in `target` that are not
    /// in `base` cannot be said; the configuration has none.
    static func difference(from base: ConfigurationNode?, to target: ConfigurationNode) -> ConfigurationNode? {
        guard let base else { return target }
        if base.hasSameContent(as: target) { return nil }
        guard let before = base.entries, let after = target.entries else { return target }
        var patch = ConfigurationNode.mapping([], at: target)
        for entry in after {
            if let change = difference(from: base[entry.key], to: entry.value) { patch.set(entry.key, change) }
        }
        for entry in before where target[entry.key] == nil {
            patch.set(entry.key, ConfigurationNode(.null, position: target.position, path: target.path))
        }
        return patch
    }

    static func apply(_ patch: ConfigurationNode?, to base: ConfigurationNode?) -> ConfigurationNode? {
        guard let patch else { return base }
        guard let changes = patch.entries else { return patch }
        var result = base.flatMap { $0.entries == nil ? nil : $0 } ?? .mapping([], at: patch)
        for change in changes {
            let value = change.value.isNull ? nil : apply(change.value, to: result[change.key])
            result.set(change.key, value)
        }
        return result
    }
}

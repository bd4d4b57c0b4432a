import SluiceConfiguration

/// Where the keys of a configuration belong, for who has put one at the wrong level.
enum KnownKeys {
    /// For example "under the `policies` of a domain"; nil for a key that belongs to none of these levels.
    static func place(of key: String) -> String? {
        let places = levels.filter { $0.keys.contains(key) }.map(\.place)
        return places.isEmpty ? nil : Quoting.alternatives(places)
    }

    /// Not `policies`, which stands at two levels, and neither `swagger` nor `openapi`, which nobody writes by hand.
    static let levels: [(place: String, keys: Set<String>)] = places.map { place, path in
        let level = ConfigurationKey.levels.first { $0.path == path }
        return (place, Set(level?.keys.map(\.name) ?? []).subtracting(["policies", "swagger", "openapi"]))
    }

    private static let places = [
        ("at the top", ""),
        ("into a listener", "listeners[]"),
        ("into a project", "projects.NAME"),
        ("into a plan", "plans.NAME"),
        ("into a caller", "callers.NAME"),
        ("into a domain", "domains[]"),
        ("under the `policies` of a domain", "domains[].policies"),
        ("into an endpoint", "domains[].endpoints[]"),
        ("under the `policies` of an endpoint", "domains[].endpoints[].policies"),
    ]
}

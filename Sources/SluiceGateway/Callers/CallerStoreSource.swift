package import SluiceCallers

/// Where callers are kept that are made at run time, and how that is opened.
package struct CallerStoreSource: Sendable {
    /// For the log.
    package let name: String
    /// Opens it; nil where nothing has been kept yet, unless it is to be made. May wait.
    package let open: @Sendable (_ makesIt: Bool) throws(CallerStoreError) -> (any CallerStore)?

    package init(name: String, open: @escaping @Sendable (_ makesIt: Bool) throws(CallerStoreError) -> (any CallerStore)?) {
        self.name = name
        self.open = open
    }

    /// Nowhere: callers are those of the configuration.
    package static let none = CallerStoreSource(name: "SLUICE_STATE_DIR") { (makesIt: Bool) throws(CallerStoreError) in
        guard makesIt else { return nil }
        throw CallerStoreError("SLUICE_STATE_DIR is off: callers and plans can only be declared in the configuration")
    }
}

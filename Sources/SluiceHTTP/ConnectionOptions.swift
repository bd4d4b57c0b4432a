/// What the Connection lines of a head say (RFC 9110, 7.6.1).
///
/// The lines are walked once, when the head has been read; the fields that they nominate are marked in the table then
/// (`KnownField.nominated`), so that whoever goes over the fields later asks for nothing more than a line's kind.
package struct ConnectionOptions: BitwiseCopyable {
    /// Whether `close` is among them.
    package private(set) var close = false
    /// Whether `keep-alive` is.
    package private(set) var keepAlive = false
    /// Whether `upgrade` is.
    package private(set) var upgrade = false
    /// Some option names a field of which the gateway knows nothing: only then is anything marked.
    package private(set) var namesFields = false

    /// Reads every Connection line, and marks what they nominate. False if one is malformed, or if all of them together have more options
    /// than anybody has a use for: `ListElements.elementsMax`, of which `NameSet.namesMax` may name fields of which the gateway knows nothing.
    @inline(__always)
    mutating func read(_ bytes: ByteView, fields: FieldTable, repeated: UInt64) -> Bool {
        if fields.present & KnownField.connection.bit == 0 { return true }
        var index = 0
        while index < fields.count, fields.slots[index].known != .connection { index &+= 1 }
        let value = fields.slots[index].value
        // The values that nearly every message carries.
        if repeated & KnownField.connection.bit == 0 {
            if value.count == 10, WordScan.matches(bytes.base + value.lowerBound, "keep-alive") {
                keepAlive = true
                return true
            }
            if value.count == 5, WordScan.matches(bytes.base + value.lowerBound, "close") {
                close = true
                return true
            }
        }
        return readLists(bytes, fields: fields, from: index)
    }

    @inline(never)
    private mutating func readLists(_ bytes: ByteView, fields: FieldTable, from first: Int) -> Bool {
        var names = NameSet(in: bytes)
        var left = ListElements.elementsMax
        for index in first..<fields.count where fields.slots[index].known == .connection {
            var options = ListElements(bytes[fields.slots[index].value], atMost: left)
            while let option = options.next() {
                guard ByteScan.endOfToken(option.base, from: 0, to: option.count) == option.count else { return false }
                if option.equalsIgnoringCase("close") {
                    close = true
                } else if option.equalsIgnoringCase("keep-alive") {
                    keepAlive = true
                } else if option.equalsIgnoringCase("upgrade") {
                    upgrade = true
                } else if KnownField.recognise(option.base, count: option.count) == .other {
                    guard names.add(option) else { return false }
                }
            }
            guard !options.isOverLimit else { return false }
            left = options.left
        }
        if names.count > 0 {
            namesFields = true
            Self.mark(names, in: fields, bytes)
        }
        return true
    }

    /// Marks the lines that the head nominates for removal.
    ///
    /// A field that the gateway knows is never nominated. Those that belong to the connection go anyway (`HopByHop`); Host,
    /// Content-Length, Authorization, X-Forwarded-For and the others are meant for every recipient, for which RFC 9110, 7.6.1
    /// forbids nomination: a client must not be able to strip what delimits, identifies or traces its request.
    private static func mark(_ names: borrowing NameSet, in fields: FieldTable, _ bytes: ByteView) {
        for index in 0..<fields.count {
            let slot = fields.slots + index
            guard slot.pointee.known == .other || slot.pointee.known == .unusual else { continue }
            if names.contains(bytes[slot.pointee.name]) { slot.pointee.known = .nominated }
        }
    }

    /// The names of which the gateway knows nothing in a head's Connection lines: for fields that stand elsewhere, such as in the trailers.
    package static func nominated(by fields: FieldTable, in bytes: ByteView) -> NameSet {
        var names = NameSet(in: bytes)
        for index in 0..<fields.count where fields[index].known == .connection {
            // The head has passed `read`.
            var options = ListElements(bytes[fields[index].value])
            while let option = options.next() {
                if KnownField.recognise(option.base, count: option.count) == .other { _ = names.add(option) }
            }
        }
        return names
    }
}

/// What the Connection lines of a head say (RFC 9110, 7.6.1).
package struct ConnectionOptions: BitwiseCopyable, Sendable {
    /// Whether `close` is among them.
    package private(set) var close = false
    /// Whether `keep-alive` is.
    package private(set) var keepAlive = false
    /// Whether `upgrade` is.
    package private(set) var upgrade = false
    /// Some option names a field of which the gateway knows nothing: only then can `nominates` be true.
    package private(set) var namesFields = false
    private var namedFields: UInt8 = 0
    /// Options that may name a field of which the gateway knows nothing. Every field is compared with every option, so that
    /// more would let a small request cost much.
    static let namedFieldsMax: UInt8 = 32

    /// Adds one line's value, a valid field value. False if it is not a list of tokens, or if all lines name too many fields.
    mutating func add(_ value: ByteView) -> Bool {
        // The values that nearly every message carries.
        if value.count == 10, WordScan.matches(value.base, "keep-alive") {
            keepAlive = true
            return true
        }
        if value.count == 5, WordScan.matches(value.base, "close") {
            close = true
            return true
        }
        var elements = ListElements(value)
        while let option = elements.next() {
            var index = 0
            while index < option.count {
                guard ByteClass.isMember(option.base[index], of: ByteClass.token) else { return false }
                index &+= 1
            }
            if option.equalsIgnoringCase("close") {
                close = true
            } else if option.equalsIgnoringCase("keep-alive") {
                keepAlive = true
            } else if option.equalsIgnoringCase("upgrade") {
                upgrade = true
            } else if KnownField.recognise(option.base, count: option.count) == .other {
                guard namedFields < ConnectionOptions.namedFieldsMax else { return false }
                namedFields += 1
                namesFields = true
            }
        }
        return true
    }

    /// Whether the Connection lines nominate this field for removal. To be asked only if the head `hasConnectionOptions`.
    ///
    /// A field that the gateway knows is never nominated. Those that belong to the connection go anyway (`HopByHop`); Host,
    /// Content-Length, Authorization, X-Forwarded-For and the others are meant for every recipient, for which RFC 9110, 7.6.1
    /// forbids nomination: a client must not be able to strip what delimits, identifies or traces its request.
    package static func nominates(_ slot: FieldSlot, fields: FieldTable, in bytes: ByteView) -> Bool {
        guard slot.known == .other else { return false }
        return nominates(name: bytes[slot.name], fields: fields, in: bytes)
    }

    /// The same for a field that stands elsewhere, such as in the trailers; the gateway does not know it.
    package static func nominates(name: ByteView, fields: FieldTable, in bytes: ByteView) -> Bool {
        var index = 0
        while index < fields.count {
            let line = fields[index]
            index += 1
            guard line.known == .connection else { continue }
            var elements = ListElements(bytes[line.value])
            while let option = elements.next() {
                if option.equalsIgnoringCaseOfBoth(name) { return true }
            }
        }
        return false
    }
}

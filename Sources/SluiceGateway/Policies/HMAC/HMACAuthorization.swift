import SluiceHTTP

/// The Authorization field of an HMAC request, taken apart. Views point into the field's value.
struct HMACAuthorization: BitwiseCopyable {
    /// Which of the two forms a request uses, and so which field bears its timestamp.
    enum Form: BitwiseCopyable, Sendable {
        /// The whole value is the signature; the timestamp is in `X-TC-Timestamp`.
        case compact
        /// The `hmac` scheme with parameters; the timestamp is in `x-nhn-date`.
        case named
    }

    /// Empty in the compact form, which has no place for it.
    var algorithm: ByteView
    /// The list between the quotation marks of `headers`; empty if there is none.
    var headers: ByteView
    /// Base64, not yet decoded.
    var signature: ByteView

    /// A value is of the named form if its scheme is `hmac`, in any case (RFC 9110, 11.1). No signature of the compact
    /// form is taken for one: base64 has no space, and every signature is longer than the scheme.
    static func form(of value: ByteView) -> Form {
        guard value.count >= 4, value[..<4].equalsIgnoringCase("hmac") else { return .compact }
        return value.count == 4 || value[4].isBlank ? .named : .compact
    }

    /// The named form as far as it can be read, for those who tell what is wrong with it.
    init(parametersOf value: ByteView) {
        (algorithm, headers, signature) = (.empty, .empty, .empty)
        var parameters = QuotedParameters(value[min(4, value.count)...])
        while let parameter = parameters.next() {
            if parameter.name.equalsIgnoringCase("algorithm") { algorithm = parameter.value }
            if parameter.name.equalsIgnoringCase("headers") { headers = parameter.value }
            if parameter.name.equalsIgnoringCase("signature") { signature = parameter.value }
        }
    }

    /// - Returns: nil where the value does not follow the form.
    init?(_ value: ByteView, form: Form) {
        algorithm = .empty
        headers = .empty
        signature = value
        guard form == .named else { return }
        var parameters = QuotedParameters(value[min(4, value.count)...])
        var seen: (algorithm: Bool, headers: Bool, signature: Bool) = (false, false, false)
        while let parameter = parameters.next() {
            if parameter.name.equalsIgnoringCase("algorithm"), !seen.algorithm {
                (algorithm, seen.algorithm) = (parameter.value, true)
            } else if parameter.name.equalsIgnoringCase("headers"), !seen.headers {
                (headers, seen.headers) = (parameter.value, true)
            } else if parameter.name.equalsIgnoringCase("signature"), !seen.signature {
                (signature, seen.signature) = (parameter.value, true)
            } else {
                return nil
            }
        }
        guard parameters.isAtEnd, seen.algorithm, seen.signature else { return nil }
    }
}

/// Parameters of the form `name="value"`, separated by one comma and optional blanks (RFC 9110, 11.2, without tokens as
/// values and without backslash escapes, which none of the values needs).
private struct QuotedParameters: BitwiseCopyable {
    private let text: ByteView
    private var position = 0
    private var isFirst = true
    /// Whether everything was read; false after `next` met something that is not a parameter.
    private(set) var isAtEnd = false

    init(_ text: ByteView) { self.text = text }

    mutating func next() -> (name: ByteView, value: ByteView)? {
        skipBlanks()
        if position == text.count {
            isAtEnd = true
            return nil
        }
        if !isFirst {
            guard text[position] == UInt8(ascii: ",") else { return nil }
            position += 1
            skipBlanks()
        }
        isFirst = false
        let nameStart = position
        while position < text.count, text[position].isLetter { position += 1 }
        let name = text[nameStart..<position]
        skipBlanks()
        guard !name.isEmpty, take(UInt8(ascii: "=")) else { return nil }
        skipBlanks()
        guard take(UInt8(ascii: "\"")) else { return nil }
        let valueStart = position
        position = text.index(of: UInt8(ascii: "\""), from: position)
        let value = text[valueStart..<position]
        guard value.index(of: UInt8(ascii: "\\"), from: 0) == value.count else { return nil }
        guard take(UInt8(ascii: "\"")) else { return nil }
        return (name, value)
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard position < text.count, text[position] == byte else { return false }
        position += 1
        return true
    }

    private mutating func skipBlanks() {
        while position < text.count, text[position].isBlank { position += 1 }
    }
}

/// The names in a `headers` parameter, in their order.
struct ListedHeaders: BitwiseCopyable {
    private let text: ByteView
    private var position = 0
    /// Set where an element is empty.
    private(set) var isMalformed = false

    init(_ text: ByteView) { self.text = text.trimmed }

    /// Nil at the end, and where an element is empty.
    mutating func next() -> ByteView? {
        if position > text.count || text.isEmpty { return nil }
        let start = position
        position = text.index(of: UInt8(ascii: ","), from: position)
        let name = text[start..<position].trimmed
        position += 1
        if name.isEmpty {
            isMalformed = true
            return nil
        }
        return name
    }
}

extension UInt8 {
    /// Space or tab: OWS of RFC 9110, 5.6.3.
    fileprivate var isBlank: Bool { self == 0x20 || self == 0x09 }
    fileprivate var isLetter: Bool { asciiLowercased &- 0x61 < 26 }
}

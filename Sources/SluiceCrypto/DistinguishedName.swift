internal import COpenSSL
internal import SluiceHTTP

/// The name of a certificate's subject in the one text form in which it is told and compared: RFC 4514 with as few choices as can be.
///
/// The last part of the name comes first, with commas and no blanks between parts: `CN=client,OU=Payments,O=Example,C=KR`. A letter, digit or other visible
/// ASCII character stands for itself; `"` `#` `+` `,` `;` `<` `=` `>` `\`, a blank at an end, control bytes and bytes beyond ASCII are `\XX`. So the text
/// is ASCII, has one form for each name, and holds no quotation mark. A value that is not UTF-8, ASCII or printable text is `#` and its encoding in
/// hexadecimal: what looks alike in another encoding is not the same.
package enum DistinguishedName {
    /// Parts of a name that an operator writes, and bytes of it.
    private static let partsMax = 32
    package static let bytesMax = 2048

    /// Types that are written by a name (RFC 4514, 3, and RFC 4519), each with OpenSSL's number.
    private static let types: [(name: String, number: Int32)] = [
        ("CN", NID_commonName), ("C", NID_countryName), ("L", NID_localityName), ("ST", NID_stateOrProvinceName), ("O", NID_organizationName),
        ("OU", NID_organizationalUnitName), ("STREET", NID_streetAddress), ("DC", NID_domainComponent), ("UID", NID_userId),
        ("serialNumber", NID_serialNumber), ("emailAddress", NID_pkcs9_emailAddress), ("GN", NID_givenName), ("SN", NID_surname), ("title", NID_title),
    ]

    // MARK: Of a certificate

    /// The subject of a certificate.
    static func text(of name: OpaquePointer?) -> [UInt8] {
        guard let name else { return [] }
        var parts: [[[UInt8]]] = []
        var latestSet: Int32?
        for index in 0..<max(0, X509_NAME_entry_count(name)) {
            guard let entry = X509_NAME_get_entry(name, index) else { continue }
            let set = X509_NAME_ENTRY_set(entry)
            let value = pair(X509_NAME_ENTRY_get_object(entry), X509_NAME_ENTRY_get_data(entry).map { UnsafePointer($0) })
            if set == latestSet { parts[parts.count - 1].append(value) } else { parts.append([value]) }
            latestSet = set
        }
        return joined(parts.reversed())
    }

    private static func pair(_ type: OpaquePointer?, _ value: UnsafePointer<ASN1_STRING>?) -> [UInt8] {
        let number = OBJ_obj2nid(type)
        let known = types.first { $0.number == number }?.name
        guard let value else { return Array((known ?? "?").utf8) }
        let bytes = UnsafeBufferPointer(start: ASN1_STRING_get0_data(value), count: Int(ASN1_STRING_length(value)))
        let kind = ASN1_STRING_type(value)
        if let known, isText(bytes, kind) { return Array("\(known)=".utf8) + escaped(bytes) }
        var dotted = [CChar](repeating: 0, count: 128)
        let count = OBJ_obj2txt(&dotted, Int32(dotted.count), type, 1)
        let name = known ?? (count > 0 ? String(decoding: dotted.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self) : "?")
        return Array("\(name)=#".utf8) + encoding(bytes, kind).flatMap(hexadecimal)
    }

    private static func isText(_ bytes: UnsafeBufferPointer<UInt8>, _ kind: Int32) -> Bool {
        switch kind {
        case V_ASN1_UTF8STRING: String(validating: bytes, as: UTF8.self) != nil
        case V_ASN1_PRINTABLESTRING, V_ASN1_IA5STRING: bytes.allSatisfy { $0 < 0x80 }
        default: false
        }
    }

    /// Tag, length and content (X.690, 8.1). What OpenSSL does not take apart it keeps with all of that.
    private static func encoding(_ bytes: UnsafeBufferPointer<UInt8>, _ kind: Int32) -> [UInt8] {
        guard kind > 0, kind < 31, kind != V_ASN1_SEQUENCE, kind != V_ASN1_SET else { return Array(bytes) }
        var length: [UInt8] = [UInt8(truncatingIfNeeded: bytes.count)]
        if bytes.count > 127 {
            let digits = stride(from: 24, through: 0, by: -8).map { UInt8(truncatingIfNeeded: bytes.count >> $0) }.drop { $0 == 0 }
            length = [0x80 | UInt8(digits.count)] + digits
        }
        return [UInt8(kind)] + length + bytes
    }

    // MARK: As an operator writes it

    /// What an operator has written cannot be a name.
    package struct Malformed: Error {
        package let allowed: String
    }

    /// The one form of a name that is written by the rules of RFC 4514. Blanks around the signs that divide it are left out, and types may be of either case.
    package static func canonical(_ text: String) throws(Malformed) -> [UInt8] {
        guard !text.hasPrefix("/") else {
            throw Malformed(allowed: "a name by RFC 4514, the last part first, such as CN=client,O=Example (openssl x509 -noout -subject -nameopt RFC2253)")
        }
        guard text.utf8.count <= bytesMax else { throw Malformed(allowed: "at most \(bytesMax) bytes") }
        var parts: [[[UInt8]]] = [[]]
        var rest = Array(text.utf8)[...]
        while true {
            let (value, divider) = try takePair(&rest)
            parts[parts.count - 1].append(value)
            guard let divider else { break }
            if divider == UInt8(ascii: ",") { parts.append([]) }
            guard parts.count <= partsMax else { throw Malformed(allowed: "at most \(partsMax) parts") }
        }
        return joined(parts)
    }

    /// The next `type=value`, and the sign that ends it; nil at the end of the text.
    private static func takePair(_ rest: inout ArraySlice<UInt8>) throws(Malformed) -> ([UInt8], UInt8?) {
        guard let equals = rest.firstIndex(of: UInt8(ascii: "=")) else {
            throw Malformed(allowed: "type=value, with commas between: CN=client,O=Example")
        }
        let type = String(decoding: rest[..<equals], as: UTF8.self).trimmingBlanks
        guard let known = types.first(where: { $0.name.lowercased() == type.lowercased() })?.name ?? (isDotted(type) ? type : nil) else {
            throw Malformed(allowed: "one of \(types.map(\.name).joined(separator: ", ")), or an OID with a value of #HEX")
        }
        rest = rest[(equals + 1)...]
        let (value, divider) = try takeValue(&rest)
        if value.isHexadecimal { return (Array("\(known)=#".utf8) + value.bytes.flatMap(hexadecimal), divider) }
        guard !isDotted(known) else { throw Malformed(allowed: "a value of # and hexadecimal digits behind an OID") }
        guard !value.bytes.isEmpty else { throw Malformed(allowed: "a value behind \(known)=") }
        guard !value.bytes.contains(0) else { throw Malformed(allowed: "text without NUL") }
        let text = value.bytes.withUnsafeBufferPointer { escaped($0) }
        return (Array("\(known)=".utf8) + text, divider)
    }

    private static func takeValue(_ rest: inout ArraySlice<UInt8>) throws(Malformed) -> ((bytes: [UInt8], isHexadecimal: Bool), UInt8?) {
        while rest.first == UInt8(ascii: " ") { rest.removeFirst() }
        let isHexadecimal = rest.first == UInt8(ascii: "#")
        if isHexadecimal { rest.removeFirst() }
        var bytes: [UInt8] = []
        // Up to here blanks belong to the value.
        var kept = 0
        var divider: UInt8?
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: ","), UInt8(ascii: "+"): divider = byte
            case UInt8(ascii: "\""), UInt8(ascii: ";"), UInt8(ascii: "<"), UInt8(ascii: ">"):
                throw Malformed(allowed: "a backslash before \" ; < >")
            case UInt8(ascii: "\\"):
                bytes.append(try takeEscaped(&rest))
                kept = bytes.count
                continue
            default:
                bytes.append(byte)
                if byte != UInt8(ascii: " ") { kept = bytes.count }
                continue
            }
            break
        }
        bytes.removeLast(bytes.count - kept)
        guard isHexadecimal else { return ((bytes, false), divider) }
        guard !bytes.isEmpty, bytes.count % 2 == 0, bytes.allSatisfy({ $0.hexValue < 16 }) else {
            throw Malformed(allowed: "pairs of hexadecimal digits behind #, or \\# for the sign itself")
        }
        let decoded = stride(from: 0, to: bytes.count, by: 2).map { bytes[$0].hexValue << 4 | bytes[$0 + 1].hexValue }
        return ((decoded, true), divider)
    }

    private static func takeEscaped(_ rest: inout ArraySlice<UInt8>) throws(Malformed) -> UInt8 {
        let fault = Malformed(allowed: "behind a backslash two hexadecimal digits, or one of \" # + , ; < = > \\ and a blank")
        guard let first = rest.popFirst() else { throw fault }
        if "\"#+,;<=>\\ ".utf8.contains(first) { return first }
        guard first.hexValue < 16, let second = rest.popFirst(), second.hexValue < 16 else { throw fault }
        return first.hexValue << 4 | second.hexValue
    }

    private static func isDotted(_ type: String) -> Bool {
        type.contains(".") && type.utf8.allSatisfy { $0 == UInt8(ascii: ".") || $0 &- UInt8(ascii: "0") < 10 }
    }

    // MARK: The one form

    /// Parts with commas between; the pairs of one part are a set, and stand in the order of their text.
    private static func joined(_ parts: [[[UInt8]]]) -> [UInt8] {
        let texts = parts.map { pairs in
            Array(pairs.sorted { $0.lexicographicallyPrecedes($1) }.joined(separator: [UInt8(ascii: "+")]))
        }
        return Array(texts.joined(separator: [UInt8(ascii: ",")]))
    }

    private static func escaped(_ bytes: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        var text: [UInt8] = []
        for (place, byte) in bytes.enumerated() {
            let isAtEnd = place == 0 || place == bytes.count - 1
            let isPlain = byte > 0x20 && byte < 0x7F && !"\"#+,;<=>\\".utf8.contains(byte) || byte == 0x20 && !isAtEnd
            if isPlain { text.append(byte) } else { text += [UInt8(ascii: "\\")] + hexadecimal(byte) }
        }
        return text
    }

    private static func hexadecimal(_ byte: UInt8) -> [UInt8] {
        [byte >> 4, byte & 15].map { $0 < 10 ? UInt8(ascii: "0") + $0 : UInt8(ascii: "A") + $0 - 10 }
    }
}

extension String {
    fileprivate var trimmingBlanks: String {
        var bytes = Array(utf8)[...]
        while bytes.first == UInt8(ascii: " ") { bytes.removeFirst() }
        while bytes.last == UInt8(ascii: " ") { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }
}

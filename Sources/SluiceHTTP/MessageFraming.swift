/// The rules about length that requests and responses share.
enum MessageFraming {
    /// 2^63 - 1, the largest length that is taken.
    static let contentLengthMax = UInt64(Int64.max)

    /// What Content-Length and Transfer-Encoding declare (RFC 9112, 6.1 to 6.3); `framing` is left alone if there is neither.
    /// Nil, or the rule that is broken.
    @inline(__always)
    static func read(
        _ bytes: ByteView, fields: FieldTable, repeated: UInt64, minorVersion: UInt8, into framing: inout BodyFraming
    ) -> HeadFault? {
        let declared = KnownField.contentLength.bit | KnownField.transferEncoding.bit
        if fields.present & declared == 0 { return nil }
        return readDeclared(bytes, fields: fields, repeated: repeated, minorVersion: minorVersion, into: &framing)
    }

    private static func readDeclared(
        _ bytes: ByteView, fields: FieldTable, repeated: UInt64, minorVersion: UInt8, into framing: inout BodyFraming
    ) -> HeadFault? {
        if let line = fields.first(.transferEncoding) {
            if minorVersion == 0 { return .transferEncodingInHTTP10 }
            if repeated & KnownField.transferEncoding.bit != 0 { return .repeatedTransferEncoding }
            if fields.present & KnownField.contentLength.bit != 0 { return .contentLengthAndTransferEncoding }
            guard bytes[fields[line].value].equalsIgnoringCase("chunked") else { return .transferEncoding }
            framing = .chunked
        } else if let line = fields.first(.contentLength) {
            if repeated & KnownField.contentLength.bit != 0 { return .repeatedContentLength }
            guard let length = bytes[fields[line].value].decimal(atMost: contentLengthMax) else { return .contentLength }
            framing = .length(length)
        }
        return nil
    }
}

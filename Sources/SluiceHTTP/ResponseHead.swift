/// An upstream's response head that has been read and found valid: offsets into its bytes, and what follows from its fields.
@frozen
public struct ResponseHead: BitwiseCopyable {
    /// 100 to 599.
    public internal(set) var status: UInt16 = 0
    /// 0 or 1.
    public internal(set) var minorVersion: UInt8 = 1
    /// Whether the connection can serve another request once this body has ended (RFC 9112, 9.3).
    public internal(set) var keepAlive = true
    /// 101: what follows the head is no longer HTTP (RFC 9110, 15.2.2).
    public internal(set) var upgrade = false
    /// Whether Connection names fields of which the gateway knows nothing; false for `close`, `keep-alive`, `upgrade` and the like. Those
    /// that are there are marked: `KnownField.nominated`.
    public internal(set) var hasConnectionOptions = false
    /// Whether the fields say of the body's length what a response that ends with its head cannot have: they are not to be passed on.
    public internal(set) var hasVainFraming = false
    /// May be empty. At 0 there is none: the status line that was read is of another protocol.
    public package(set) var reason = HeadRange(start: 0, count: 0)
    /// Bytes of the head, the empty line included: the body starts there.
    public internal(set) var length = 0
    /// How the body ends. HTTP/2 tells it otherwise than by fields: whoever knows better says so here.
    public package(set) var framing = BodyFraming.none
    public var fields: FieldTable

    /// A head in which nothing stands yet; `slots` has room for `capacity` lines and outlives it.
    @inlinable
    @inline(__always)
    public init(slots: UnsafeMutablePointer<FieldSlot>, capacity: Int) {
        fields = FieldTable(slots: slots, capacity: capacity)
    }

    /// Bytes of the status line, its end included, if it is in the one spelling that is sent on anyway: HTTP/1.1, and a space
    /// before the reason. 0 if it is not.
    @inlinable
    @inline(__always)
    public var plainStatusLineCount: Int {
        minorVersion == 1 && reason.start == 13 ? 15 &+ Int(reason.count) : 0
    }

    /// Whether there is an Upgrade field without which the response would not be understood (RFC 9110, 15.2.2 and 15.5.22), although it
    /// belongs to the connection: the client asks us for the protocol, and we the service. In other responses it is an offer.
    @inlinable
    @inline(__always)
    public var namesProtocols: Bool {
        fields.present & KnownField.upgrade.bit != 0 && (status == 101 || status == 426)
    }

    /// Reads a response head from the start of `bytes` (RFC 9112, 4 to 6). `head` means something only if the outcome is
    /// `.complete`.
    ///
    /// `requestWasHead`: the response has no body, whatever its fields say, but they must be valid. A missing space after the status is taken,
    /// because many servers leave it out with the reason, and nothing depends on it.
    package static func parse(
        _ bytes: ByteView, slots: UnsafeMutablePointer<FieldSlot>, capacity: Int, requestWasHead: Bool,
        into head: inout ResponseHead
    ) -> HeadOutcome {
        guard bytes.count <= Int(UInt32.max) else { return .malformed(.headTooLong) }
        head = ResponseHead(slots: slots, capacity: capacity)
        let fieldsStart: Int
        switch head.readStatusLine(bytes) {
        case .complete(let end): fieldsStart = end
        case .incomplete: return .incomplete
        case .malformed(let fault): return .malformed(fault)
        }
        var repeated: UInt64 = 0
        switch FieldSection.parse(bytes, from: fieldsStart, into: &head.fields, repeated: &repeated) {
        case .complete(let end): head.length = end
        case .incomplete: return .incomplete
        case .malformed(let fault): return .malformed(fault)
        }
        if let fault = head.readFields(bytes, repeated: repeated, requestWasHead: requestWasHead) { return .malformed(fault) }
        return .complete
    }

    @inline(__always)
    private mutating func readStatusLine(_ bytes: ByteView) -> FieldSection.Outcome {
        let base = bytes.base
        let end = bytes.count
        // Version, space, three digits and what ends them: 13 bytes.
        guard end > 12 else { return ResponseHead.shortOutcome(bytes) }
        let version = WordScan.load(base, 0)
        minorVersion = version == 0x312E_312F_5054_5448 ? 1 : 0
        guard minorVersion == 1 || version == 0x302E_312F_5054_5448, base[8] == Ascii.space, base[9].isDigit, base[10].isDigit,
            base[11].isDigit
        else { return ResponseHead.shortOutcome(bytes) }
        status = UInt16(base[9] &- Ascii.zero) &* 100 &+ UInt16(base[10] &- Ascii.zero) &* 10 &+ UInt16(base[11] &- Ascii.zero)
        guard status >= 100, status < 600 else { return .malformed(.status) }

        var index = 12
        if base[index] == Ascii.space {
            index = ByteScan.endOfText(base, from: 13, to: end)
            reason = HeadRange(start: 13, count: index &- 13)
            guard index < end else { return .incomplete }
        }
        guard base[index] == Ascii.carriageReturn else {
            return .malformed(base[index] == Ascii.lineFeed ? .bareLineFeed : index == 12 ? .status : .statusLine)
        }
        guard index &+ 1 < end else { return .incomplete }
        guard base[index &+ 1] == Ascii.lineFeed else { return .malformed(.bareCarriageReturn) }
        return .complete(end: index &+ 2)
    }

    /// What to say of a line that does not begin with a version, a space and three digits: too short or wrong.
    @inline(never)
    private static func shortOutcome(_ bytes: ByteView) -> FieldSection.Outcome {
        let version = ByteView("HTTP/1.")
        var index = 0
        while index < min(bytes.count, 12) {
            let byte = bytes[index]
            switch index {
            case 0..<5 where byte != version[index]: return .malformed(.statusLine)
            case 5..<7 where byte != version[index]: return .malformed(.unsupportedVersion)
            case 7 where byte != Ascii.zero && byte != Ascii.zero + 1: return .malformed(.unsupportedVersion)
            case 8 where byte != Ascii.space: return .malformed(.statusLine)
            case 9... where !byte.isDigit: return .malformed(.status)
            case 9 where byte < Ascii.zero + 1 || byte > Ascii.zero + 5: return .malformed(.status)
            default: index += 1
            }
        }
        return .incomplete
    }

    @inline(__always)
    private mutating func readFields(_ bytes: ByteView, repeated: UInt64, requestWasHead: Bool) -> HeadFault? {
        framing = .untilClose
        let fault = MessageFraming.read(
            bytes, fields: fields, repeated: repeated, minorVersion: minorVersion, into: &framing)
        if status < 200 || status == 204 || status == 304 {
            guard endsWithHead(fault) else { return fault ?? .bodyForbidden }
        } else {
            if let fault { return fault }
            if requestWasHead { framing = .none }
        }
        var options = ConnectionOptions()
        guard options.read(bytes, fields: fields, repeated: repeated) else { return .connection }
        hasConnectionOptions = options.namesFields
        keepAlive = !options.close && (minorVersion == 1 || options.keepAlive) && framing != .untilClose && !upgrade && !hasVainFraming
        return nil
    }

    /// RFC 9112, 6.3: 1xx, 204 and 304 end with their head, whatever the fields say. False if the fields must not be there (RFC 9112, 6.1
    /// and RFC 9110, 8.6) and the response is 1xx: who frames those has taken them for something else, and the final one is still to come.
    private mutating func endsWithHead(_ fault: HeadFault?) -> Bool {
        let isDeclared = fault != nil || framing != .untilClose
        if status < 200 {
            guard !isDeclared else { return false }
            upgrade = status == 101
        } else if status == 204 {
            // A length of zero is as forbidden as any other, but common, and it says nothing that the status does not.
            hasVainFraming = isDeclared && framing != .length(0)
        } else {
            // The length of what would have been sent, or a coding, may be told.
            hasVainFraming = fault != nil
        }
        framing = .none
        return true
    }
}

extension RequestHead {
    private static let methodBytesMax = 32

    /// Reads a request head from the start of `bytes` (RFC 9112, 2 to 6). `head` means something only if the outcome is
    /// `.complete`.
    ///
    /// One empty line before the request line is passed over (2.2). A verdict never changes as bytes arrive: what is
    /// malformed stays so, with the same fault.
    package static func parse(
        _ bytes: ByteView, slots: UnsafeMutablePointer<FieldSlot>, capacity: Int, into head: inout RequestHead
    ) -> HeadOutcome {
        guard bytes.count <= Int(UInt32.max) else { return .malformed(.headTooLong) }
        head = RequestHead(slots: slots, capacity: capacity)
        let fieldsStart: Int
        switch head.readRequestLine(bytes) {
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
        if let fault = head.readFields(bytes, repeated: repeated) { return .malformed(fault) }
        return .complete
    }

    /// Method, target and version, up to and including the line's end; where the path and the query stand, but not the form.
    @inline(__always)
    private mutating func readRequestLine(_ bytes: ByteView) -> FieldSection.Outcome {
        let base = bytes.base
        let end = bytes.count
        guard end > 0 else { return .incomplete }
        var index = 0
        if base[0] == Ascii.carriageReturn {
            guard end > 1 else { return .incomplete }
            guard base[1] == Ascii.lineFeed else { return .malformed(.bareCarriageReturn) }
            index = 2
        }

        let methodStart = index
        let methodLimit = min(end, index &+ RequestHead.methodBytesMax &+ 1)
        while index < methodLimit, ByteClass.isMember(base[index], of: ByteClass.token) { index &+= 1 }
        let methodCount = index &- methodStart
        guard methodCount <= RequestHead.methodBytesMax else { return .malformed(.methodTooLong) }
        guard index < end else { return .incomplete }
        guard base[index] == Ascii.space, methodCount > 0 else {
            return .malformed(base[index] == Ascii.lineFeed ? .bareLineFeed : .method)
        }
        methodRange = HeadRange(start: methodStart, count: methodCount)
        method = Method(token: base + methodStart, count: methodCount)
        if method == .connect { return .malformed(.connect) }

        index &+= 1
        let targetStart = index
        index = ByteScan.endOfTargetPart(base, from: index, to: end)
        var pathEnd = index
        if index < end, base[index] == Ascii.questionMark {
            hasQuery = true
            pathEnd = index
            index = ByteScan.endOfTarget(base, from: index &+ 1, to: end)
        }
        guard index < end else { return .incomplete }
        guard base[index] == Ascii.space else { return .malformed(RequestHead.targetFault(base[index])) }
        guard index > targetStart else { return .malformed(.emptyTarget) }
        target = HeadRange(start: targetStart, count: index &- targetStart)
        if hasQuery {
            queryRange = HeadRange(start: pathEnd &+ 1, count: index &- pathEnd &- 1)
        } else {
            pathEnd = index
        }
        pathRange = HeadRange(start: targetStart, count: pathEnd &- targetStart)

        index &+= 1
        guard end &- index >= 10 else { return RequestHead.versionOutcome(bytes, from: index) }
        let version = WordScan.load(base, index)
        // "HTTP/1.1" and "HTTP/1.0" as little-endian words.
        minorVersion = version == 0x312E_312F_5054_5448 ? 1 : 0
        guard minorVersion == 1 || version == 0x302E_312F_5054_5448, base[index &+ 8] == Ascii.carriageReturn,
            base[index &+ 9] == Ascii.lineFeed
        else { return RequestHead.versionOutcome(bytes, from: index) }

        if base[targetStart] != Ascii.slash, let fault = readOtherForm(bytes) { return .malformed(fault) }
        return .complete(end: index &+ 10)
    }

    /// The rule broken by a byte that ends the target and is not a space.
    @inline(never)
    private static func targetFault(_ byte: UInt8) -> HeadFault {
        switch byte {
        case Ascii.lineFeed: .bareLineFeed
        case Ascii.carriageReturn: .missingVersion
        default: .targetCharacter
        }
    }

    /// What to say of the bytes after the target when they are not a version that we speak and a line end: too few or wrong.
    @inline(never)
    private static func versionOutcome(_ bytes: ByteView, from start: Int) -> FieldSection.Outcome {
        let name: ByteView = ByteView("HTTP/1.")
        var index = 0
        while start + index < bytes.count {
            let byte = bytes[start + index]
            switch index {
            case 0..<7 where byte == name[index]: break
            case 7 where byte == Ascii.zero || byte == Ascii.zero + 1: break
            case 8 where byte == Ascii.carriageReturn: break
            case 9: return .malformed(.bareCarriageReturn)
            case _ where byte == Ascii.lineFeed: return .malformed(.bareLineFeed)
            case 0..<5 where byte == Ascii.carriageReturn: return .malformed(.missingVersion)
            case 0..<4 where byte | 0x20 != name[index] | 0x20: return .malformed(.spaceInTarget)
            default: return .malformed(.unsupportedVersion)
            }
            index += 1
        }
        return .incomplete
    }

    /// Tells the absolute and the asterisk form apart and cuts the authority from the path. Nil, or the rule that is broken.
    @inline(never)
    private mutating func readOtherForm(_ bytes: ByteView) -> HeadFault? {
        let text = bytes[target.range]
        if text == "*" {
            guard method == .options else { return .targetForm }
            form = .asterisk
            return nil
        }
        let schemeCount: Int
        if text.count >= 7, text[..<7].equalsIgnoringCase("http://") {
            form = .absoluteHTTP
            schemeCount = 7
        } else if text.count >= 8, text[..<8].equalsIgnoringCase("https://") {
            form = .absoluteHTTPS
            schemeCount = 8
        } else {
            return .targetForm
        }
        let start = target.range.lowerBound + schemeCount
        let pathEnd = pathRange.range.upperBound
        // No question mark can stand within the scheme.
        assert(start <= pathEnd)
        let index = ByteScan.index(of: Ascii.slash, bytes.base, from: start, to: pathEnd)
        if ByteScan.index(of: Ascii.at, bytes.base, from: start, to: index) < index { return .userInformation }
        guard let parsed = Authority.parse(bytes[start..<index]) else { return .targetAuthority }
        authority = HeadRange(start: start, count: index - start)
        hostName = HeadRange(start: start, count: parsed.hostCount)
        port = parsed.port
        pathRange = HeadRange(start: index, count: pathEnd - index)
        return nil
    }
}

extension Method {
    /// Methods are case-sensitive (RFC 9110, 9.1).
    @inline(__always)
    init(token: UnsafePointer<UInt8>, count: Int) {
        let view = ByteView(base: token, count: count)
        switch count {
        // Nearly every request's.
        case 3 where token[0] == 0x47 && token[1] == 0x45 && token[2] == 0x54: self = .get
        case 3: self = view == "PUT" ? .put : .other
        case 4: self = view == "POST" ? .post : view == "HEAD" ? .head : .other
        case 5: self = view == "PATCH" ? .patch : view == "TRACE" ? .trace : .other
        case 6: self = view == "DELETE" ? .delete : .other
        case 7: self = view == "OPTIONS" ? .options : view == "CONNECT" ? .connect : .other
        default: self = .other
        }
    }

    /// The method that this token is; `.other` for every token without a number of its own. Case counts (RFC 9110, 9.1).
    package init(token: ByteView) {
        self.init(token: token.base, count: token.count)
    }
}

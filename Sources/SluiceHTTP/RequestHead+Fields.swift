extension RequestHead {
    /// What the fields mean for the message. Nil, or the rule that is broken.
    @inline(__always)
    mutating func readFields(_ bytes: ByteView, repeated: UInt64) -> HeadFault? {
        if let fault = readHost(bytes, repeated: repeated) { return fault }
        if let fault = MessageFraming.read(
            bytes, fields: fields, repeated: repeated, minorVersion: minorVersion, into: &framing) {
            return fault
        }
        var options = ConnectionOptions()
        guard options.read(bytes, fields: fields, repeated: repeated) else { return .connection }
        hasConnectionOptions = options.namesFields
        keepAlive = !options.close && (minorVersion == 1 || options.keepAlive)

        let rare = KnownField.expect.bit | KnownField.te.bit | KnownField.upgrade.bit
        if fields.present & rare == 0 { return nil }
        return readRareFields(bytes, repeated: repeated, options: options)
    }

    /// Host, and whether it agrees with the target's authority.
    @inline(__always)
    private mutating func readHost(_ bytes: ByteView, repeated: UInt64) -> HeadFault? {
        guard let line = fields.first(.host) else { return minorVersion == 0 ? nil : .missingHost }
        if repeated & KnownField.host.bit != 0 { return .repeatedHost }
        let value = fields.slots[line].value
        guard let parsed = Authority.parse(bytes[value]) else { return .host }
        host = line
        if form == .absoluteHTTP || form == .absoluteHTTPS {
            let defaultPort: UInt16 = form == .absoluteHTTP ? 80 : 443
            let hostName = bytes[value.lowerBound..<value.lowerBound + parsed.hostCount]
            let isSame = hostName.equalsIgnoringCaseOfBoth(bytes[self.hostName.range])
                && parsed.port ?? defaultPort == port ?? defaultPort
            return isSame ? nil : .authorityMismatch
        }
        authority = HeadRange(start: value.lowerBound, count: value.count)
        hostName = HeadRange(start: value.lowerBound, count: parsed.hostCount)
        port = parsed.port
        return nil
    }

    @inline(never)
    private mutating func readRareFields(_ bytes: ByteView, repeated: UInt64, options: ConnectionOptions) -> HeadFault? {
        if minorVersion == 0 { return nil }
        if let line = fields.first(.expect) {
            guard repeated & KnownField.expect.bit == 0, bytes[fields[line].value].equalsIgnoringCase("100-continue") else {
                return .expectation
            }
            expectsContinue = framing != .none && framing != .length(0)
        }
        if options.upgrade, fields.present & KnownField.upgrade.bit != 0 { upgrade = offersTunnel(bytes) }
        if fields.present & KnownField.te.bit != 0 { teTrailers = offersTrailers(bytes) }
        return nil
    }

    /// Whether Upgrade offers protocols, and only such as may be passed through. HTTP of another version and TLS may not: the
    /// requests inside would pass no policy. An offer may always be ignored (RFC 9110, 7.8).
    private func offersTunnel(_ bytes: ByteView) -> Bool {
        var isOffered = false
        var left = ListElements.elementsMax
        var index = 0
        while index < fields.count {
            let line = fields[index]
            index += 1
            guard line.known == .upgrade else { continue }
            var elements = ListElements(bytes[line.value], atMost: left)
            while let element = elements.next() {
                let nameCount = ByteScan.endOfToken(element.base, from: 0, to: element.count)
                guard nameCount == element.count || element.base[nameCount] == Ascii.slash else { return false }
                let name = element[..<nameCount]
                let isHTTP = name.equalsIgnoringCase("h2c") || name.equalsIgnoringCase("h2") || name.equalsIgnoringCase("h3")
                    || name.equalsIgnoringCase("http")
                guard !isHTTP, !name.equalsIgnoringCase("tls") else { return false }
                isOffered = isOffered || nameCount > 0
            }
            // Of an offer that long nothing is taken.
            if elements.isOverLimit { return false }
            left = elements.left
        }
        return isOffered
    }

    /// Looked for among the first `ListElements.elementsMax` codings: nobody lists more.
    private func offersTrailers(_ bytes: ByteView) -> Bool {
        var left = ListElements.elementsMax
        var index = 0
        while index < fields.count {
            let line = fields[index]
            index += 1
            guard line.known == .te else { continue }
            var elements = ListElements(bytes[line.value], atMost: left)
            while let element = elements.next() {
                if element.equalsIgnoringCase("trailers") { return true }
            }
            left = elements.left
        }
        return false
    }
}

extension ByteView {
    /// Whether both hold the same bytes once ASCII letters are put in lower case.
    package func equalsIgnoringCaseOfBoth(_ other: ByteView) -> Bool {
        guard count == other.count else { return false }
        var index = 0
        // Words that are the same byte for byte need no look at their letters; all others are compared byte by byte.
        while index &+ 8 <= count, WordScan.load(base, index) == WordScan.load(other.base, index) { index &+= 8 }
        while index < count {
            if base[index].asciiLowercased != other.base[index].asciiLowercased { return false }
            index &+= 1
        }
        return true
    }
}

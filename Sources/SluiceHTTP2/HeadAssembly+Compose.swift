import SluiceHTTP

extension HeadAssembly {
    private static let version: ByteView = ByteView("HTTP/1.1")
    /// Bytes of a request line besides method and target.
    private static let requestLineBytes = 1 + 1 + 8 + 2
    private static let hostName = ByteView("Host: ")
    /// What a request for another protocol is in HTTP/1.1 (RFC 9110, 7.8).
    private static let tunnelMethod = ByteView("GET")
    private static let upgradeLines = ByteView("Connection: Upgrade\r\nUpgrade: ")
    /// Bytes of values for which the stack is used.
    private static let stackBytes = 1024

    /// The block is whole: what is missing of the text is added. `fault` says whether it may be used.
    mutating func finish() {
        guard purpose != .dropped, fault == nil else { return }
        if !isComposed, purpose != .trailers {
            fieldStart = count
            compose()
        }
        if areCrumbsScattered, fault == nil { gatherCrumbs() }
        guard fault == nil else { return }
        guard room >= 2 else { return give(up: .headTooLong) }
        memory[count] = 0x0D
        memory[count + 1] = 0x0A
        count += 2
    }

    /// Makes the first line of the values that have come, which stand before `fieldStart`, and moves the field behind them.
    mutating func compose() {
        isComposed = true
        if let reason = purpose == .request ? requestFault : statusFault { return give(up: reason) }
        let values = fieldStart
        let hostBytes = has(.authority) ? Self.hostName.count + Int(authority.count) + 2 : 0
        let methodBytes = isTunnel ? Self.tunnelMethod.count : Int(method.count)
        let upgradeBytes = isTunnel ? Self.upgradeLines.count + Int(protocolName.count) + 2 : 0
        let bytes = purpose == .request
            ? methodBytes + Int(path.count) + Self.requestLineBytes + hostBytes + upgradeBytes
            // Version, space, three digits, space, CRLF.
            : Self.version.count + 7
        let field = count - fieldStart
        guard bytes + field <= capacity else { return give(up: .headTooLong) }
        if values <= Self.stackBytes {
            withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Self.stackBytes) { copy in
                guard let base = copy.baseAddress else { return }
                writeFirstLine(over: base, values: values, bytes: bytes, field: field)
            }
        } else {
            let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: values)
            defer { copy.deallocate() }
            writeFirstLine(over: copy, values: values, bytes: bytes, field: field)
        }
    }

    /// - Parameters:
    ///   - copy: room for the values, which are overwritten.
    ///   - values: bytes of them, from the first of the memory on.
    ///   - bytes: of what is written in their place.
    ///   - field: bytes of the field behind them.
    private mutating func writeFirstLine(over copy: UnsafeMutablePointer<UInt8>, values: Int, bytes: Int, field: Int) {
        copy.update(from: memory, count: values)
        (memory + bytes).update(from: memory + values, count: field)
        count = 0
        fieldStart = bytes
        if purpose == .request {
            if isTunnel {
                write(Self.tunnelMethod.base, Self.tunnelMethod.count)
            } else {
                write(copy + Int(method.start), Int(method.count))
            }
            write(" ")
            write(copy + Int(path.start), Int(path.count))
            write(" HTTP/1.1\r\n")
            if has(.authority) {
                write("Host: ")
                let start = count
                write(copy + Int(authority.start), Int(authority.count))
                authority = HeadRange(start: start, count: Int(authority.count))
                write("\r\n")
            }
            if isTunnel {
                write(Self.upgradeLines.base, Self.upgradeLines.count)
                write(copy + Int(protocolName.start), Int(protocolName.count))
                write("\r\n")
            }
        } else {
            write("HTTP/1.1 ")
            write(copy + Int(status.start), Int(status.count))
            write(" \r\n")
        }
        assert(count == bytes)
        count = bytes + field
    }

    @inline(__always)
    private mutating func write(_ bytes: UnsafePointer<UInt8>, _ added: Int) {
        (memory + count).update(from: bytes, count: added)
        count &+= added
    }

    @inline(__always)
    private mutating func write(_ literal: StaticString) { write(literal.utf8Start, literal.utf8CodeUnitCount) }

    /// What is wrong with the pseudo-header fields of a request (RFC 9113, 8.3.1), as far as the text of a request line could not tell it: everything else
    /// is for whoever reads that.
    private var requestFault: HTTP2Reason? {
        guard has(.method) else { return .missingPseudoField }
        let method = view(method)
        guard FieldBytes.isToken(method.base, count: method.count, readable: readable(from: method.base)) else { return .method }
        if isTunnel {
            let name = view(protocolName)
            guard method == "CONNECT", FieldBytes.isToken(name.base, count: name.count, readable: readable(from: name.base)) else { return .protocolField }
            guard has(.authority) else { return .missingPseudoField }
        } else if method == "CONNECT" {
            return .connect
        }
        guard has(.scheme), has(.path) else { return .missingPseudoField }
        let path = view(path)
        guard path.count > 0, path[0] == 0x2F || (path == "*" && method == "OPTIONS"), isVisible(path) else { return .path }
        if has(.authority) {
            let authority = view(authority)
            guard authority.count > 0, isVisible(authority) else { return .authority }
            for index in 0..<authority.count {
                switch authority[index] {
                // Comma, slash, question mark, commercial at, number sign, backslash.
                case 0x2C, 0x2F, 0x3F, 0x40, 0x23, 0x5C: return .authority
                default: break
                }
            }
        }
        return nil
    }

    /// What is wrong with the one of a response (RFC 9113, 8.3.2).
    private var statusFault: HTTP2Reason? {
        guard has(.status) else { return .missingPseudoField }
        let status = view(status)
        guard status.count == 3, let code = status.decimal(atMost: 599), code >= 100, code != 101 else { return .status }
        return nil
    }

    private func isVisible(_ text: ByteView) -> Bool { FieldBytes.isVisible(text.base, count: text.count, readable: readable(from: text.base)) }

    private func view(_ range: HeadRange) -> ByteView { ByteView(base: memory + Int(range.start), count: Int(range.count)) }

    /// Joins the cookie lines, which stand apart from each other, to one at the end. The text only gets shorter.
    @inline(never)
    private mutating func gatherCrumbs() {
        let name = ByteView("cookie: ")
        let crumbs = UnsafeMutablePointer<UInt8>.allocate(capacity: count)
        defer { crumbs.deallocate() }
        var joined = 0
        var kept = 0
        var start = 0
        while start < count {
            let text = ByteView(base: memory, count: count)
            let next = text.index(of: 0x0A, from: start) + 1
            if next - start >= name.count + 2, text[start..<start + name.count].equals(name) {
                if joined > 0 {
                    crumbs[joined] = 0x3B
                    crumbs[joined + 1] = 0x20
                    joined += 2
                }
                let value = next - 2 - start - name.count
                (crumbs + joined).update(from: memory + (start + name.count), count: value)
                joined += value
            } else {
                (memory + kept).update(from: memory + start, count: next - start)
                kept += next - start
            }
            start = next
        }
        count = kept
        write(name.base, name.count)
        write(crumbs, joined)
        write("\r\n")
    }
}

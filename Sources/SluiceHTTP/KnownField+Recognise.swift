extension KnownField {
    /// Which known field a field name is, whatever its case. `name` consists of token characters only.
    ///
    /// Whether a name is `.unusual` or `.nominated` is not looked at here: the parser and the Connection lines tell.
    @inline(__always)
    static func recognise(_ name: UnsafePointer<UInt8>, count: Int) -> KnownField {
        let known = recogniseWhole(name, count: count)
        // "x-forwar": with nearly all names that are not known, one comparison.
        guard known == .other, count > 12, WordScan.load(name, 0) | WordScan.caseBits == 0x7261_7772_6F66_2D78 else {
            return known
        }
        return WordScan.matches(name, "x-forwarded-") ? .saidByProxies : .other
    }

    @inline(__always)
    private static func recogniseWhole(_ name: UnsafePointer<UInt8>, count: Int) -> KnownField {
        switch count {
        case 2: pick(name, "te", .te)
        case 3: pick(name, "via", .via)
        case 4: pick(name, "host", .host, "date", .date)
        case 6: pick(name, "origin", .origin, "expect", .expect, "server", .server)
        case 7: pick(name, "upgrade", .upgrade, "trailer", .trailer)
        case 9: pick(name, "forwarded", .forwarded, "x-real-ip", .xRealIP)
        case 10:
            switch name[0] | 0x20 {
            case 0x63: pick(name, "connection", .connection)
            case 0x6B: pick(name, "keep-alive", .keepAlive)
            case 0x74: pick(name, "tracestate", .tracestate)
            case 0x78: pick(name, "x-nhn-date", .xNHNDate)
            default: .other
            }
        case 11: pick(name, "traceparent", .traceparent, "retry-after", .retryAfter, "client-cert", .clientCert)
        case 12: pick(name, "content-type", .contentType, "x-request-id", .xRequestID)
        case 13: pick(name, "authorization", .authorization, "x-rewrite-url", .saidByProxies)
        case 14: pick(name, "content-length", .contentLength, "x-tc-timestamp", .xTCTimestamp, "x-original-url", .saidByProxies)
        case 15: pick(name, "x-forwarded-for", .xForwardedFor)
        case 16: pick(name, "x-forwarded-host", .xForwardedHost, "proxy-connection", .proxyConnection, "x-forwarded-port", .xForwardedPort)
        case 17: pick(name, "transfer-encoding", .transferEncoding, "x-forwarded-proto", .xForwardedProto, "client-cert-chain", .clientCertChain)
        case 18: pick(name, "proxy-authenticate", .proxyAuthenticate, "x-forwarded-prefix", .xForwardedPrefix)
        case 19: pick(name, "proxy-authorization", .proxyAuthorization)
        case 23: pick(name, "x-forwarded-client-cert", .xForwardedClientCert)
        case 29: pick(name, "access-control-request-method", .accessControlRequestMethod)
        case 30: pick(name, "access-control-request-headers", .accessControlRequestHeaders)
        default: .other
        }
    }

    /// Which known field a field name is, whatever its case. `.other` for anything that is not a field name.
    public init(name: ByteView) {
        var index = 0
        while index < name.count {
            guard ByteClass.isMember(name.base[index], of: ByteClass.token) else {
                self = .other
                return
            }
            index += 1
        }
        self = KnownField.recognise(name.base, count: name.count)
    }

    @inline(__always)
    private static func pick(_ name: UnsafePointer<UInt8>, _ text: StaticString, _ field: KnownField) -> KnownField {
        WordScan.matches(name, text) ? field : .other
    }

    @inline(__always)
    private static func pick(
        _ name: UnsafePointer<UInt8>, _ text: StaticString, _ field: KnownField, _ text2: StaticString, _ field2: KnownField
    ) -> KnownField {
        WordScan.matches(name, text) ? field : WordScan.matches(name, text2) ? field2 : .other
    }

    @inline(__always)
    private static func pick(
        _ name: UnsafePointer<UInt8>, _ text: StaticString, _ field: KnownField, _ text2: StaticString, _ field2: KnownField,
        _ text3: StaticString, _ field3: KnownField
    ) -> KnownField {
        WordScan.matches(name, text) ? field : WordScan.matches(name, text2) ? field2 : WordScan.matches(name, text3) ? field3 : .other
    }
}

extension KnownField {
    /// The bit of this field in `FieldTable.present`.
    @inlinable
    @inline(__always)
    public var bit: UInt64 { 1 &<< UInt64(rawValue) }
}

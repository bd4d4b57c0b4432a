import SluiceHTTP

extension FinerError {
    /// What `v2` says of a refusal that it tells apart; nil for every other one. Looks at the request again: only who is refused pays for it.
    init?(_ refusal: Refusal, _ exchange: Exchange) {
        switch refusal.row {
        case .hmacTimestampEmpty, .hmacTimestampFormat, .hmacExpired, .hmacAuthorizationEmpty, .hmacInvalid:
            self = Self.ofSignature(refusal, exchange)
        case .badRequest:
            guard refusal.detail == Refusal.malformedForwarding else { return nil }
            self = .clientAddress
        case .jwtAuthorizationEmpty: self = .tokenEmpty
        case .jwtExpired: self = .tokenInvalid
        case .jwtInvalid:
            if refusal.tokenFault == .unknownKey, refusal.detail == Refusal.keySetUnavailable {
                self = .keySetUnavailable
                return
            }
            if refusal.tokenFault == .unknownKey, refusal.detail == Refusal.keySetMalformed {
                self = .keySetMalformed
                return
            }
            let value = FieldLines(.authorization, in: exchange).value
            let isBearer = value.count > 6 && value[..<6].equalsIgnoringCase("bearer") && (value[6] == UInt8(ascii: " ") || value[6] == UInt8(ascii: "\t"))
            self = isBearer ? .tokenInvalid : .tokenType
        default: return nil
        }
    }

    private static func ofSignature(_ refusal: Refusal, _ exchange: Exchange) -> FinerError {
        let value = FieldLines(.authorization, in: exchange).value
        if value.isEmpty { return .hmacEmpty }
        let form = HMACAuthorization.form(of: value)
        if form == .named {
            let credentials = HMACAuthorization(parametersOf: value)
            guard credentials.algorithm == "HmacSHA256" || credentials.algorithm == "HmacSHA1" else { return .hmacAlgorithm }
            if credentials.signature.isEmpty { return .hmacSignatureEmpty }
            if lacksRequiredHeader(exchange) { return .hmacHeaderMissing }
        }
        // The compact form is accepted as well: a value without the scheme is one, unless it cannot be a signature.
        if form == .compact, !isBase64(value) { return .hmacScheme }
        switch refusal.row {
        case .hmacTimestampEmpty: return .hmacDateEmpty
        case .hmacTimestampFormat: return .hmacDateFormat
        case .hmacExpired: return .hmacExpired
        default: return .hmacInvalid
        }
    }

    private static func isBase64(_ value: ByteView) -> Bool {
        var index = 0
        while index < value.count {
            switch value[index] {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "+"), UInt8(ascii: "/"), UInt8(ascii: "="): index += 1
            default: return false
            }
        }
        return true
    }

    private static func lacksRequiredHeader(_ exchange: Exchange) -> Bool {
        guard let policy = PolicyChain.latestStep(of: exchange).compiled(of: HMAC.self) else { return false }
        let required = policy.pointee.requiredHeaders
        for index in 0..<required.count where !has(required[index], exchange) { return true }
        return false
    }

    private static func has(_ name: ByteView, _ exchange: Exchange) -> Bool {
        let fields = exchange.head.fields
        for index in 0..<fields.count where exchange.headBytes[fields[index].name].equalsIgnoringCase(name) { return true }
        return false
    }
}

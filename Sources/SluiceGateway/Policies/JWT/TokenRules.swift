import SluiceCrypto
import SluiceHTTP

/// What the tokens of one issuer must be like, compiled.
struct TokenRules: BitwiseCopyable {
    /// A claim that goes to the service.
    struct Forward: BitwiseCopyable {
        let claim: ClaimPath
        /// Of its header in `JWT.Compiled.forwardedHeaders`.
        let place: Int
    }

    /// Of the worker's `JWTKeys`.
    let slot: Int
    let algorithms: JWT.Algorithms
    /// Seconds of leeway for both times.
    let clockSkew: Int64
    let expiryIsRequired: Bool
    /// Nil: not looked at.
    let issuer: ByteView?
    /// Empty: not looked at.
    let audiences: ArenaSlice<ByteView>
    let conditions: ArenaSlice<ClaimCondition>
    let forwards: ArenaSlice<Forward>

    // MARK: Claims

    enum Finding {
        case right(VerifiedClaims)
        case wrong(Refusal)
    }

    /// Checks the claims of a token whose signature is right, and copies those that are forwarded into the exchange.
    ///
    /// - Parameter headerCount: of `JWT.Compiled.forwardedHeaders`.
    func check(_ claims: JSONObject, headerCount: Int, _ exchange: inout Exchange) -> Finding {
        let exp = claims.value(of: ByteView("exp"))
        let expiry = exp.flatMap(NumericDate.read)
        guard expiry != nil || exp == nil && !expiryIsRequired else {
            return .wrong(exp == nil ? Refusal(token: .claim, detail: ByteView("exp")) : Refusal(token: .malformed))
        }
        // `exp` is the first moment at which a token must not be accepted any more (RFC 7519, 4.1.4), `nbf` the first at which it may be
        // (4.1.5); the leeway moves both outwards.
        var verified = VerifiedClaims(
            expiry: expiry.map { $0 + clockSkew }, notBefore: nil, values: InlineArray(repeating: .empty), valueCount: headerCount)
        let now = exchange.context.pointee.wallSeconds
        if let fault = verified.fault(at: now) { return .wrong(Refusal(token: fault)) }
        let nbf = claims.value(of: ByteView("nbf"))
        let notBefore = nbf.flatMap(NumericDate.read)
        let iat = claims.value(of: ByteView("iat"))
        guard nbf == nil || notBefore != nil,
            // When it was issued decides nothing, but a date must be one (RFC 7519, 4.1.6).
            iat == nil || iat.flatMap(NumericDate.read) != nil
        else { return .wrong(Refusal(token: .malformed)) }
        verified.notBefore = notBefore.map { $0 - clockSkew }
        if let fault = verified.fault(at: now) { return .wrong(Refusal(token: fault)) }
        if let issuer {
            guard let named = claims.value(of: ByteView("iss"))?.string, named.equals(issuer) else { return .wrong(Refusal(token: .issuer)) }
        }
        guard audiences.isEmpty || ClaimCondition.isOneOrHasOne(claims.value(of: ByteView("aud")), of: audiences)
        else { return .wrong(Refusal(token: .audience)) }
        for index in 0..<conditions.count where !conditions[index].isMet(by: claims) {
            return .wrong(Refusal(token: .claim, detail: Self.printable(conditions[index].name.text)))
        }
        for index in 0..<forwards.count {
            let forward = forwards[index]
            switch ForwardedClaim.write(forward.claim.value(in: claims), into: &exchange) {
            case .value(let value): verified.values[forward.place] = value
            case .unfit: return .wrong(Refusal(token: .claim, detail: Self.printable(forward.claim.text)))
            case .noMemory: return .wrong(Refusal(.headTooLarge, detail: "claims to forward"))
            }
        }
        return .right(verified)
    }

    /// The name of a claim as a detail; empty for one that a detail cannot hold.
    private static func printable(_ name: ByteView) -> ByteView {
        for index in 0..<name.count {
            switch name[index] {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "%"): return .empty
            case 0x20...0x7E: continue
            default: return .empty
            }
        }
        return name
    }

    // MARK: Signatures

    enum Signature {
        case right, wrong, unknownKey
    }

    func checkSignature(_ parts: BearerToken, _ header: TokenHeader, _ keys: JWTKeys.State) -> Signature {
        // The bound is that of the buffer; what a key makes is no longer.
        guard parts.signature.count <= Base64URL.encodedCount(JWTKeys.signatureBytesMax),
            let count = Base64URL.decode(parts.signature, into: keys.signature)
        else { return .wrong }
        let signature = ByteView(base: keys.signature, count: count)
        guard let algorithm = header.algorithm.signature else {
            return Self.isCode(signature, of: parts.signingInput, header.algorithm, keys) ? .right : .wrong
        }
        if keys.latestGeneration == nil {
            return keys.verifiers.first?.verifier.verify(parts.signingInput, signature: signature, algorithm) == true ? .right : .wrong
        }
        return Self.check(signature, of: parts.signingInput, algorithm, keyID: header.keyID, keys.verifiers)
    }

    private static func isCode(_ signature: ByteView, of input: ByteView, _ algorithm: JWT.Algorithm, _ keys: JWTKeys.State) -> Bool {
        return withUnsafeTemporaryAllocation(byteCount: MessageCode.byteCountMax, alignment: 8) { code in
            let bytes = code.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self)
            let count: Int
            switch algorithm {
            case .hs384, .hs512:
                let function = algorithm == .hs384 ? MessageCode.Function.sha384 : .sha512
                guard MessageCode.write(function, key: keys.secret, of: input, into: bytes) else { return false }
                count = function.byteCount
            default:
                guard let mac = keys.mac else { return false }
                mac.begin()
                mac.update(input)
                count = mac.finish(into: bytes)
            }
            guard count > 0 else { return false }
            return constantTimeEquals(ByteView(base: bytes, count: count), signature)
        }
    }

    private static func check(
        _ signature: ByteView, of input: ByteView, _ algorithm: SignatureAlgorithm, keyID: JSONString?,
        _ verifiers: UnsafeBufferPointer<JWTKeys.Verifier>
    ) -> Signature {
        if verifiers.isEmpty { return .unknownKey }
        if let keyID {
            var isKnown = false
            for key in verifiers {
                guard let id = key.id, keyID.equals(id) else { continue }
                isKnown = true
                // Keys of different kinds may have one name (RFC 7517, 4.5).
                guard key.fits(algorithm) else { continue }
                return key.verifier.verify(input, signature: signature, algorithm) ? .right : .wrong
            }
            return isKnown ? .wrong : .unknownKey
        }
        var tries = 0
        let triesMax = algorithm == .es384 || algorithm == .es512 ? JWT.dearTriesMax : JWT.anonymousTriesMax
        for key in verifiers where key.fits(algorithm) {
            if key.verifier.verify(input, signature: signature, algorithm) { return .right }
            tries += 1
            if tries == triesMax { break }
        }
        return tries == 0 ? .unknownKey : .wrong
    }
}

extension VerifiedClaims {
    /// Whether the token is not valid at this second; nil: it is.
    @inline(__always)
    func fault(at now: Int64) -> TokenFault? {
        if let expiry, now >= expiry { return .expired }
        if let notBefore, now < notBefore { return .notYetValid }
        return nil
    }
}

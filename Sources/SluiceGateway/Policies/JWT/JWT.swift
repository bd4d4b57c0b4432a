import SluiceConfiguration
import SluiceCrypto
import SluiceHTTP
import Synchronization

/// Admits a request that bears a signed token (RFC 7519) whose claims are right.
///
/// `Authorization: Bearer <token>`, or the bare token. The algorithms are the configuration's; a token that names another is
/// refused. A token may be as long as SLUICE_MAX_HEAD_BYTES lets its request be: its time is linear in its length. The signature
/// is verified before any claim is read, then `exp`, `nbf`, `iss`, `aud` and further conditions.
///
/// Refuses with the three `.jwt` rows, and with `.headTooLarge` where forwarded claims do not fit into the exchange.
/// Suspends once, when a key set must be fetched first: see `KeySetSource`; the worker evaluates this step again afterwards.
enum JWT: Policy {
    static let key = "jwt"

    static let declaration = PolicyDeclaration(
        places: [
            .init(level: .domain, meaning: "Checks that requests have a valid token."),
            .init(level: .endpoint, meaning: "Checks that requests have a valid token, in place of the domain's `hmac` or `jwt`."),
        ],
        form: .mapping(keys, rules: [.exactlyOne(["secret", "publicKey", "jwks"])]), excludes: [HMAC.key],
        refusals: [.jwtAuthorizationEmpty, .jwtExpired, .jwtInvalid], waitsFor: [.keySet], remembers: "verified tokens", goesByClock: true,
        checksCaller: true, keepsOut: true)

    /// Process settings of the policy, as a gateway has them.
    struct Settings: Sendable {
        /// Verified tokens that each worker remembers for each policy; 0: none. At most 1,048,576.
        let cacheEntries: Int
        /// Milliseconds for one fetch of a key set.
        let fetchMilliseconds: Int
        /// Nanoseconds from one fetch of a key set that succeeded to the next.
        let refreshNanoseconds: UInt64

        init(_ settings: ProcessSettings = ProcessSettings()) {
            cacheEntries = settings.jwtCacheEntries
            fetchMilliseconds = settings.keySetFetchTimeoutMs
            refreshNanoseconds = UInt64(settings.keySetRefreshSeconds) * 1_000_000_000
        }
    }

    /// Keys that a token without `kid` is tried against.
    static let anonymousTriesMax = 10
    /// The same for ES384 and ES512, of which one check takes as long as thirty of RS256.
    static let dearTriesMax = 2

    struct Compiled: CompiledPolicy {
        /// Of the worker's `JWTKeys`.
        let slot: Int
        /// Of the worker's `TokenMemory`.
        let memorySlot: Int
        let algorithms: Algorithms
        /// Seconds of leeway for both times.
        let clockSkew: Int64
        let expiryIsRequired: Bool
        /// Empty: not looked at.
        let issuers: ArenaSlice<ByteView>
        /// Empty: not looked at.
        let audiences: ArenaSlice<ByteView>
        let conditions: ArenaSlice<ClaimCondition>
        /// Claims to forward, by name, in the order of `forwardedHeaders`.
        let forwardedClaims: ArenaSlice<ByteView>
        /// Headers that bear the forwarded claims: the request writer removes the client's own and writes `Exchange.forwardedClaims`,
        /// value by value, leaving out empty ones. At most 8.
        let forwardedHeaders: ArenaSlice<ByteView>

        func evaluate(_ exchange: inout Exchange) -> Verdict {
            let authorization = FieldLines(.authorization, in: exchange)
            let token = BearerToken.text(of: authorization.value)
            if token.isEmpty { return .refuse(Refusal(token: .missing)) }
            // Which of several lines another reader would take is anybody's guess.
            if authorization.isRepeated { return .refuse(Refusal(token: .malformed)) }
            let keys = exchange.resource(slot, as: JWTKeys.State.self)
            if let latest = keys.pointee.latestGeneration, latest.pointee.load(ordering: .acquiring) != keys.pointee.generation {
                keys.pointee.owner._withUnsafeGuaranteedRef { $0.takeLatest() }
            }
            if let claims = keys.pointee.cache.find(token, generation: keys.pointee.generation) {
                if let fault = fault(expiry: claims.expiry, notBefore: claims.notBefore, now: exchange.context.pointee.wallSeconds) {
                    return .refuse(Refusal(token: fault))
                }
                return forward(claims, &exchange)
            }
            return verify(token, keys, &exchange)
        }

        // MARK: - A token not seen before

        @inline(never)
        private func verify(_ token: ByteView, _ keys: UnsafeMutablePointer<JWTKeys.State>, _ exchange: inout Exchange) -> Verdict {
            let memory = exchange.resource(memorySlot, as: TokenMemory.State.self).pointee
            guard token.count <= memory.tokenBytesMax, let parts = BearerToken(token),
                let headerCount = Base64URL.decode(parts.header, into: memory.text)
            else { return .refuse(Refusal(token: .malformed)) }
            let headerText = ByteView(base: memory.text, count: headerCount)
            let header: TokenHeader
            switch ClaimScanner.scan(headerText, memory: memory.scanner, valuesMax: TokenHeader.valuesMax) {
            case .object(let object):
                guard let read = TokenHeader(object, algorithms: algorithms) else { return .refuse(Refusal(token: TokenHeader.fault(object, algorithms: algorithms))) }
                header = read
            case .malformed: return .refuse(Refusal(token: .malformed))
            case .tooManyValues: return .refuse(Refusal(token: .malformed, detail: ByteView("too many values in the token's header")))
            }
            switch checkSignature(parts, header, keys.pointee) {
            case .wrong: return .refuse(Refusal(token: .signature))
            case .unknownKey: return awaitKeys(keys, &exchange)
            case .right: break
            }
            guard let count = Base64URL.decode(parts.payload, into: memory.text),
                let claims = ClaimScanner.scan(ByteView(base: memory.text, count: count), memory: memory.scanner)
            else { return .refuse(Refusal(token: .malformed)) }
            return check(claims, of: token, keys, &exchange)
        }

        private func check(
            _ claims: JSONObject, of token: ByteView, _ keys: UnsafeMutablePointer<JWTKeys.State>, _ exchange: inout Exchange
        ) -> Verdict {
            let exp = claims.value(of: ByteView("exp"))
            let nbf = claims.value(of: ByteView("nbf"))
            let expiry = exp.flatMap(NumericDate.read)
            guard expiry != nil || exp == nil && !expiryIsRequired else {
                return .refuse(exp == nil ? Refusal(token: .claim, detail: ByteView("exp")) : Refusal(token: .malformed))
            }
            let now = exchange.context.pointee.wallSeconds
            if let fault = fault(expiry: expiry, notBefore: nil, now: now) { return .refuse(Refusal(token: fault)) }
            let notBefore = nbf.flatMap(NumericDate.read)
            let iat = claims.value(of: ByteView("iat"))
            guard nbf == nil || notBefore != nil,
                // When it was issued decides nothing, but a date must be one (RFC 7519, 4.1.6).
                iat == nil || iat.flatMap(NumericDate.read) != nil
            else { return .refuse(Refusal(token: .malformed)) }
            if let fault = fault(expiry: nil, notBefore: notBefore, now: now) { return .refuse(Refusal(token: fault)) }
            guard issuers.isEmpty || ClaimCondition.value(claims.value(of: ByteView("iss")), is: issuers, orAnElement: false)
            else { return .refuse(Refusal(token: .issuer)) }
            guard audiences.isEmpty || ClaimCondition.value(claims.value(of: ByteView("aud")), is: audiences, orAnElement: true)
            else { return .refuse(Refusal(token: .audience)) }
            for index in 0..<conditions.count where !conditions[index].isMet(by: claims) {
                return .refuse(Refusal(token: .claim, detail: Self.printable(conditions[index].name)))
            }

            var verified = VerifiedClaims(
                expiry: expiry, notBefore: notBefore, values: InlineArray(repeating: .empty), valueCount: forwardedClaims.count)
            for index in 0..<forwardedClaims.count {
                switch ForwardedClaim.write(claims.value(of: forwardedClaims[index]), into: &exchange) {
                case .value(let value): verified.values[index] = value
                case .unfit: return .refuse(Refusal(token: .claim, detail: Self.printable(forwardedClaims[index])))
                case .noMemory: return .refuse(Refusal(.headTooLarge, detail: "claims to forward"))
                }
            }
            keys.pointee.cache.insert(token, generation: keys.pointee.generation, claims: verified)
            exchange.forwardedClaims = verified.values
            exchange.forwardedClaimCount = verified.valueCount
            return .proceed
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

        // MARK: - Times

        /// `exp` is the first moment at which a token must not be accepted any more (RFC 7519, 4.1.4), `nbf` the first
        /// at which it may be (4.1.5); the leeway moves both outwards. Nil: in time.
        private func fault(expiry: Int64?, notBefore: Int64?, now: Int64) -> TokenFault? {
            if let expiry, now >= expiry + clockSkew { return .expired }
            if let notBefore, now + clockSkew < notBefore { return .notYetValid }
            return nil
        }

        // MARK: - Signatures

        private enum Signature {
            case right, wrong, unknownKey
        }

        private func checkSignature(_ parts: BearerToken, _ header: TokenHeader, _ keys: JWTKeys.State) -> Signature {
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

        private static func isCode(_ signature: ByteView, of input: ByteView, _ algorithm: Algorithm, _ keys: JWTKeys.State) -> Bool {
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

        /// Waits for a fetch if one can be had and this exchange has not waited yet.
        private func awaitKeys(_ keys: UnsafeMutablePointer<JWTKeys.State>, _ exchange: inout Exchange) -> Verdict {
            guard !exchange.hasAwaitedKeys else { return .refuse(Refusal(token: .unknownKey)) }
            let worker = exchange.context.pointee.worker
            let now = exchange.context.pointee.monotonicNanoseconds
            let number = keys.pointee.owner._withUnsafeGuaranteedRef { $0.requestFetch(worker: worker, now: now) }
            guard let number else { return .refuse(Refusal(token: .unknownKey)) }
            exchange.hasAwaitedKeys = true
            return .suspend(.keySet(number))
        }

        // MARK: - Forwarding

        /// Copies the values, because the cache may overwrite them while the exchange goes on.
        private func forward(_ claims: VerifiedClaims, _ exchange: inout Exchange) -> Verdict {
            // Most policies forward none, and room for eight is much to copy.
            guard claims.valueCount > 0 else { return .proceed }
            var values = claims.values
            for index in 0..<claims.valueCount {
                let value = claims.values[index]
                guard let memory = exchange.allocate(value.count) else { return .refuse(Refusal(.headTooLarge, detail: "claims to forward")) }
                memory.update(from: value.base, count: value.count)
                values[index] = ByteView(base: memory, count: value.count)
            }
            exchange.forwardedClaims = values
            exchange.forwardedClaimCount = claims.valueCount
            return .proceed
        }
    }
}

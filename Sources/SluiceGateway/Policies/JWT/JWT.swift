import SluiceConfiguration
import SluiceCrypto
import SluiceHTTP
import Synchronization

/// Admits a request that bears a signed token (RFC 7519) whose claims are right.
///
/// `Authorization: Bearer <token>`, or the bare token. The algorithms are the configuration's; a token that names another is
/// refused. A token may be as long as SLUICE_MAX_HEAD_BYTES lets its request be: its time is linear in its length. The signature
/// is verified before any claim is believed, then `exp`, `nbf`, `iss`, `aud` and further conditions. Where a policy lists several issuers,
/// `iss` chooses the one by whose rules all of this is done; who it names decides nothing else.
///
/// Refuses with the three `.jwt` rows, and with `.headTooLarge` where forwarded claims do not fit into the exchange.
/// Suspends once, when a key set must be fetched first: see `KeySetSource`; the worker evaluates this step again afterwards.
///
/// Large because each check of a token is a method of its own, and all of them read the one compiled policy.
enum JWT: Policy {
    static let key = "jwt"

    static let declaration = PolicyDeclaration(
        places: [
            .init(level: .domain, meaning: "Checks that requests have a valid token."),
            .init(level: .endpoint, meaning: "Checks that requests have a valid token, in place of the domain's credentials."),
        ],
        form: .mapping(keys, rules: keyRules), excludes: [HMAC.key],
        refusals: [.jwtAuthorizationEmpty, .jwtExpired, .jwtInvalid], waitsFor: [.keySet], remembers: "verified tokens", goesByClock: true,
        checksCaller: true, scheme: "Bearer", keepsOut: true)

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
    /// Issuers that one policy lists.
    static let issuersMax = 16

    struct Compiled: CompiledPolicy {
        /// Of the worker's `VerifiedTokens`.
        let tokensSlot: Int
        /// Of the worker's `TokenMemory`.
        let memorySlot: Int
        /// At least one.
        let issuers: ArenaSlice<TokenRules>
        /// Whether the token's `iss` chooses among them, each of which has a name then.
        let choosesByIssuer: Bool
        /// Those of all issuers together.
        let algorithms: Algorithms
        /// Headers that bear the forwarded claims: the request writer removes the client's own and writes `Exchange.forwardedClaims`,
        /// value by value, leaving out empty ones. At most 8.
        let forwardedHeaders: ArenaSlice<ByteView>

        func evaluate(_ exchange: inout Exchange) -> Verdict {
            let authorization = FieldLines(.authorization, in: exchange)
            let token = BearerToken.text(of: authorization.value)
            if token.isEmpty { return .refuse(Refusal(token: .missing)) }
            // Which of several lines another reader would take is anybody's guess.
            if authorization.isRepeated { return .refuse(Refusal(token: .malformed)) }
            let tokens = exchange.resource(tokensSlot, as: VerifiedTokens.State.self)
            var index = 0
            while index < issuers.count {
                let keys = exchange.resource(issuers.pointer(at: index).pointee.slot, as: JWTKeys.State.self)
                if let latest = keys.pointee.latestGeneration, latest.pointee.load(ordering: .acquiring) != keys.pointee.generation {
                    keys.pointee.owner._withUnsafeGuaranteedRef { $0.takeLatest() }
                    tokens.pointee.generation &+= 1
                }
                index += 1
            }
            if let claims = tokens.pointee.cache.find(token, generation: tokens.pointee.generation) {
                if let fault = claims.fault(at: exchange.context.pointee.wallSeconds) { return .refuse(Refusal(token: fault)) }
                return forward(claims, &exchange)
            }
            return verify(token, tokens, &exchange)
        }

        /// The scheme `Bearer`, or a value in three parts.
        func isPresented(by exchange: borrowing Exchange) -> Bool {
            let value = FieldLines(.authorization, in: exchange).value
            return BearerToken.hasScheme(value) || BearerToken(value) != nil
        }

        // MARK: - A token not seen before

        @inline(never)
        private func verify(_ token: ByteView, _ tokens: UnsafeMutablePointer<VerifiedTokens.State>, _ exchange: inout Exchange) -> Verdict {
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
            // Behind the header, whose `kid` is still to be looked up: together they are shorter than their token.
            let payload = memory.text + headerCount
            var early: JSONObject?
            var issuer = issuers.pointer(at: 0)
            if choosesByIssuer {
                guard let claims = Self.claims(of: parts, into: payload, memory) else { return .refuse(Refusal(token: .malformed)) }
                early = claims
                guard let chosen = chosenIssuer(claims) else { return .refuse(Refusal(token: .issuer)) }
                guard chosen.pointee.algorithms.contains(header.algorithm) else { return .refuse(Refusal(token: .algorithm)) }
                issuer = chosen
            }
            let keys = exchange.resource(issuer.pointee.slot, as: JWTKeys.State.self)
            switch issuer.pointee.checkSignature(parts, header, keys.pointee) {
            case .wrong: return .refuse(Refusal(token: .signature))
            case .unknownKey: return awaitKeys(keys, &exchange)
            case .right: break
            }
            guard let claims = early ?? Self.claims(of: parts, into: payload, memory) else { return .refuse(Refusal(token: .malformed)) }
            switch issuer.pointee.check(claims, headerCount: forwardedHeaders.count, &exchange) {
            case .wrong(let refusal): return .refuse(refusal)
            case .right(let verified):
                tokens.pointee.cache.insert(token, generation: tokens.pointee.generation, claims: verified)
                exchange.forwardedClaims = verified.values
                exchange.forwardedClaimCount = verified.valueCount
                return .proceed
            }
        }

        private static func claims(of parts: BearerToken, into text: UnsafeMutablePointer<UInt8>, _ memory: TokenMemory.State) -> JSONObject? {
            guard let count = Base64URL.decode(parts.payload, into: text) else { return nil }
            return ClaimScanner.scan(ByteView(base: text, count: count), memory: memory.scanner)
        }

        /// The issuer that a token names, byte for byte (RFC 7519, 4.1.1); nil for another one, and for none.
        private func chosenIssuer(_ claims: JSONObject) -> UnsafePointer<TokenRules>? {
            guard let name = claims.value(of: ByteView("iss"))?.string else { return nil }
            for index in 0..<issuers.count {
                let issuer = issuers.pointer(at: index)
                if let own = issuer.pointee.issuer, name.equals(own) { return issuer }
            }
            return nil
        }

        /// Waits for a fetch if one can be had and this exchange has not waited yet.
        private func awaitKeys(_ keys: UnsafeMutablePointer<JWTKeys.State>, _ exchange: inout Exchange) -> Verdict {
            guard !exchange.hasAwaitedKeys else { return .refuse(Self.withoutKey(keys)) }
            let worker = exchange.context.pointee.worker
            let now = exchange.context.pointee.monotonicNanoseconds
            let number = keys.pointee.owner._withUnsafeGuaranteedRef { $0.requestFetch(worker: worker, now: now) }
            guard let number else { return .refuse(Self.withoutKey(keys)) }
            exchange.hasAwaitedKeys = true
            return .suspend(.keySet(number))
        }

        /// No key of the set fits, or there is no set.
        private static func withoutKey(_ keys: UnsafeMutablePointer<JWTKeys.State>) -> Refusal {
            let missing = keys.pointee.owner._withUnsafeGuaranteedRef { $0.missing }
            return Refusal(token: .unknownKey, detail: missing.map { ByteView($0) } ?? .empty)
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

import SluiceConfiguration
import SluiceCrypto
import SluiceHTTP

/// Admits a request that bears a keyed code of its method, target and time.
///
/// Compact form: `Authorization: base64(code)` with `X-TC-Timestamp`. Named form: `Authorization: hmac algorithm="...",
/// headers="...", signature="..."` with `x-nhn-date`. The scheme of Authorization tells the form, and the form tells which
/// field bears the timestamp; the other field is then no more than a field. Without an Authorization value no form is
/// known, and whichever timestamp is there is checked first, as the contract's order wants.
///
/// What is signed: `METHOD`, the target as it was sent and the timestamp as it was sent, joined by line feeds; in the
/// named form, `\nname:value` for each listed header that is present. `headers` may be left out, and lists nothing then.
/// The compact form tells its algorithm by the length of the code.
///
/// What replay protection refuses is `.hmacInvalid` too; logs and `explain` say why.
/// Refuses with the five `.hmac` rows, in their order. Never suspends. One pass over the listed headers and one over the fields,
/// no allocation.
enum HMAC: Policy {
    static let key = "hmac"

    static let declaration = PolicyDeclaration(
        places: [
            .init(level: .domain, meaning: "Checks that requests are signed with a shared secret."),
            .init(level: .endpoint, meaning: "Checks that requests are signed with a shared secret, in place of the domain's credentials."),
        ],
        form: .mapping(keys),
        refusals: [.hmacTimestampEmpty, .hmacTimestampFormat, .hmacExpired, .hmacAuthorizationEmpty, .hmacInvalid],
        remembers: "signatures, with `replayProtection`", goesByClock: true, checksCaller: true, scheme: "HMAC", keepsOut: true)

    struct Compiled: CompiledPolicy {
        private static var codeBytesMax: Int { DigestAlgorithm.byteCountMax + 1 }

        /// Of the worker's `HMACKeys`.
        let slot: Int
        /// Seconds; 0: the time is not checked.
        let clockSkew: Int64
        /// At most `SignedFields.namesMax`.
        let requiredHeaders: ArenaSlice<ByteView>
        /// For the hashes of names.
        let seed: UInt64
        let replay: ReplayTable.Handle?

        /// What a signature has covered goes on: see `Exchange.relyOnSigned`.
        func evaluate(_ exchange: inout Exchange) -> Verdict {
            let verdict = verdict(&exchange)
            if case .proceed = verdict {
                exchange.isSigned = true
                exchange.relyOnSigned()
            }
            return verdict
        }

        /// The named form, or a timestamp: beside it a value with a blank or a point is another scheme's, or a token, and no signature.
        func isPresented(by exchange: borrowing Exchange) -> Bool {
            let value = FieldLines(.authorization, in: exchange).value
            if !value.isEmpty, case .named = HMACAuthorization.form(of: value) { return true }
            let isOther = value.index(of: UInt8(ascii: " "), from: 0) < value.count || value.index(of: UInt8(ascii: "."), from: 0) < value.count
            guard !isOther else { return false }
            let timestamps = (FieldLines(.xTCTimestamp, in: exchange).value, FieldLines(.xNHNDate, in: exchange).value)
            return !timestamps.0.isEmpty || !timestamps.1.isEmpty
        }

        private func verdict(_ exchange: inout Exchange) -> Verdict {
            let authorization = FieldLines(.authorization, in: exchange)
            let form = authorization.value.isEmpty ? nil : HMACAuthorization.form(of: authorization.value)
            let timestamp = timestampLines(form, in: exchange)
            if timestamp.value.isEmpty { return .refuse(Refusal(.hmacTimestampEmpty)) }
            guard let second = GatewayTimestamp.parse(timestamp.value) else { return .refuse(Refusal(.hmacTimestampFormat)) }
            let now = exchange.context.pointee.wallSeconds
            if clockSkew > 0, abs(now - second) > clockSkew { return .refuse(Refusal(.hmacExpired)) }
            guard let form else { return .refuse(Refusal(.hmacAuthorizationEmpty)) }
            // Which of several lines another reader would take is anybody's guess.
            guard !authorization.isRepeated, !timestamp.isRepeated,
                let credentials = HMACAuthorization(authorization.value, form: form)
            else { return .refuse(Refusal(.hmacInvalid)) }
            switch check(credentials, form: form, timestamp: timestamp.value, second: second, in: exchange) {
            case .fresh?: return .proceed
            case .replayed?: return .refuse(Refusal(.hmacInvalid, detail: "replayed"))
            case .forgotten?: return .refuse(Refusal(.hmacInvalid, detail: "signed before replay protection began"))
            case .full?: return .refuse(Refusal(.hmacInvalid, detail: "replayCapacity is used up"))
            case nil: return .refuse(Refusal(.hmacInvalid))
            }
        }

        private func timestampLines(_ form: HMACAuthorization.Form?, in exchange: Exchange) -> FieldLines {
            switch form {
            case .compact: return FieldLines(.xTCTimestamp, in: exchange)
            case .named: return FieldLines(.xNHNDate, in: exchange)
            case nil:
                let compact = FieldLines(.xTCTimestamp, in: exchange)
                return compact.value.isEmpty ? FieldLines(.xNHNDate, in: exchange) : compact
            }
        }

        /// Nil where the signature is wrong; `.fresh` without replay protection.
        private func check(
            _ credentials: HMACAuthorization, form: HMACAuthorization.Form, timestamp: ByteView, second: Int64,
            in exchange: Exchange
        ) -> ReplayTable.Outcome? {
            guard let context = context(for: credentials, form: form, in: exchange) else { return nil }
            // Most requests are signed without fields.
            let hasFields = !credentials.headers.isEmpty || !requiredHeaders.isEmpty
            let fields = hasFields ? signedFields(credentials.headers, in: exchange) : nil
            guard !hasFields || fields != nil else { return nil }
            return withUnsafeTemporaryAllocation(byteCount: 2 * Self.codeBytesMax, alignment: 8) { memory in
                let bytes = memory.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self)
                let sent = bytes + Self.codeBytesMax
                let count = context.byteCount
                guard credentials.signature.count == Base64.encodedCount(count),
                    Base64.decode(credentials.signature, into: sent) == count else { return nil }
                context.begin()
                context.update(exchange.method)
                context.update(ByteView("\n"))
                context.update(exchange.target)
                context.update(ByteView("\n"))
                context.update(timestamp)
                fields?.update(context, exchange)
                guard context.finish(into: bytes) == count,
                    constantTimeEquals(ByteView(base: bytes, count: count), ByteView(base: sent, count: count))
                else { return nil }
                guard let replay else { return .fresh }
                return replay.insert(bytes, second: second, now: exchange.context.pointee.wallSeconds, skew: clockSkew)
            }
        }

        /// What the list covers; nil unless it is well formed and covers every required header.
        @inline(never)
        private func signedFields(_ list: ByteView, in exchange: Exchange) -> SignedFields? {
            guard let fields = SignedFields(list, in: exchange, seed: seed) else { return nil }
            var index = 0
            while index < requiredHeaders.count {
                guard fields.cover(requiredHeaders[index]) else { return nil }
                index += 1
            }
            return fields
        }

        /// The keyed context of the algorithm that the request names or, in the compact form, implies.
        private func context(
            for credentials: HMACAuthorization, form: HMACAuthorization.Form, in exchange: Exchange
        ) -> KeyedHMAC.Handle? {
            let contexts = exchange.resource(slot, as: HMACKeys.Contexts.self).pointee
            switch form {
            case .named where credentials.algorithm == "HmacSHA256": return contexts.sha256
            case .named where credentials.algorithm == "HmacSHA1": return contexts.sha1
            case .named: return nil
            case .compact: return credentials.signature.count == 28 ? contexts.sha1 : contexts.sha256
            }
        }
    }
}

/// The lines of one field, as far as authentication asks: the first value, and whether there are more.
struct FieldLines: BitwiseCopyable {
    /// Blanks trimmed; empty if there is no line.
    let value: ByteView
    let isRepeated: Bool

    init(_ field: KnownField, in exchange: borrowing Exchange) {
        let fields = exchange.head.fields
        guard let first = fields.first(field) else {
            value = .empty
            isRepeated = false
            return
        }
        value = exchange.headBytes[fields[first].value]
        var index = first + 1
        while index < fields.count, fields[index].known != field { index += 1 }
        isRepeated = index < fields.count
    }
}

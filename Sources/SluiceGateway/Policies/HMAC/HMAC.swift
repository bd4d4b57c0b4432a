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
/// Refuses with the five `.hmac` rows, in their order. Never suspends. One pass over the listed headers, no allocation.
enum HMAC: Policy {
    static let key = "hmac"

    struct Compiled: BitwiseCopyable {
        /// Names that `headers` may list. Each costs one pass over the fields, so the sender must not choose how many.
        static let listedHeadersMax = 32
        /// Bytes of a listed name.
        static let nameBytesMax = 256
        private static var codeBytesMax: Int { DigestAlgorithm.byteCountMax + 1 }

        /// Of the worker's `HMACKeys`.
        let slot: Int
        /// Seconds; 0: the time is not checked.
        let clockSkew: Int64
        /// In lower case; at most `listedHeadersMax`.
        let requiredHeaders: ArenaSlice<ByteView>
        let replay: ReplayTable.Handle?

        func evaluate(_ exchange: inout Exchange) -> Verdict {
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
            guard let context = context(for: credentials, form: form, in: exchange),
                lists(credentials.headers, in: exchange)
            else { return nil }
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
                guard Self.update(context, withHeaders: credentials.headers, of: exchange),
                    context.finish(into: bytes) == count,
                    constantTimeEquals(ByteView(base: bytes, count: count), ByteView(base: sent, count: count))
                else { return nil }
                guard let replay else { return .fresh }
                return replay.insert(bytes, second: second, now: exchange.context.pointee.wallSeconds, skew: clockSkew)
            }
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

        /// Whether the list is well formed and names every required header, each of which is present.
        private func lists(_ headers: ByteView, in exchange: Exchange) -> Bool {
            var names = ListedHeaders(headers)
            var count = 0
            while let name = names.next() {
                count += 1
                if count > Self.listedHeadersMax || name.count > Self.nameBytesMax { return false }
            }
            if names.isMalformed { return false }
            var index = 0
            while index < requiredHeaders.count {
                let required = requiredHeaders[index]
                guard Self.isListed(required, in: headers), exchange.hasField(required) else { return false }
                index += 1
            }
            return true
        }

        private static func isListed(_ required: ByteView, in headers: ByteView) -> Bool {
            var names = ListedHeaders(headers)
            while let name = names.next() {
                if name.equalsIgnoringCase(required) { return true }
            }
            return false
        }

        /// Appends `\nname:value` for every listed header that is present: the values of its lines joined by commas.
        /// False where the worker's scratch cannot hold a name.
        private static func update(_ context: KeyedHMAC.Handle, withHeaders headers: ByteView, of exchange: Exchange) -> Bool {
            let scratch = exchange.context.pointee.scratch
            guard headers.isEmpty || exchange.context.pointee.scratchCapacity >= nameBytesMax + 2 else { return false }
            let bytes = exchange.headBytes
            let fields = exchange.head.fields
            var names = ListedHeaders(headers)
            while let name = names.next() {
                scratch[0] = UInt8(ascii: "\n")
                for index in 0..<name.count { scratch[index + 1] = name[index].asciiLowercased }
                scratch[name.count + 1] = UInt8(ascii: ":")
                let lowercase = ByteView(base: scratch + 1, count: name.count)
                var isFirst = true
                var index = 0
                while index < fields.count {
                    let field = fields[index]
                    if bytes[field.name].equalsIgnoringCase(lowercase) {
                        context.update(isFirst ? ByteView(base: scratch, count: name.count + 2) : ByteView(","))
                        context.update(bytes[field.value])
                        isFirst = false
                    }
                    index += 1
                }
            }
            return true
        }
    }
}

/// The lines of one field, as far as authentication asks: the first value, and whether there are more.
struct FieldLines: BitwiseCopyable {
    /// Blanks trimmed; empty if there is no line.
    let value: ByteView
    let isRepeated: Bool

    init(_ field: KnownField, in exchange: Exchange) {
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

extension Exchange {
    /// Whether a line with this name, given in lower case, was received.
    fileprivate func hasField(_ lowercase: ByteView) -> Bool {
        var index = 0
        while index < head.fields.count {
            if headBytes[head.fields[index].name].equalsIgnoringCase(lowercase) { return true }
            index += 1
        }
        return false
    }
}

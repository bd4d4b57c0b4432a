import SluiceCounting
import SluiceHTTP

extension RateLimit {
    struct Compiled: CompiledPolicy {
        /// Where a caller's name is found in a request.
        enum Source: BitwiseCopyable {
            /// Bits of an IPv6 address that tell callers apart; an IPv4 address is looked at whole.
            case address(high: UInt64, low: UInt64)
            /// The name in lower case.
            case header(ByteView)
            /// The number of the segment of the path, from 0.
            case path(segment: Int)
            /// Its place among the claims that are forwarded.
            case claim(index: Int)
            /// The caller that an API key tells of.
            case caller
            /// A claim that no credentials of this endpoint tell of.
            case absent
        }

        struct Condition: BitwiseCopyable {
            let source: Source
            /// A hash with the secret of the process and all that tells this count from every other one; a caller's key is what goes on from here.
            let seed: SipHash128
            let rule: LimitRule
            /// Whether a request is refused that says nothing of its caller.
            let refusesWithout: Bool
            /// For logs: what is missing then, and which limit was reached.
            let missing: ByteView
            let exhausted: ByteView
            /// Its name as a structured field's string.
            let name: ByteView
        }

        let meter: CallerMeter
        /// At most `limitsMax`, at least one.
        let conditions: ArenaSlice<Condition>
        /// The headers among them.
        let headers: FieldNames
        /// Their items of the field RateLimit-Policy.
        let policy: ByteView

        func evaluate(_ exchange: inout Exchange) -> Verdict {
            if !headers.isEmpty { exchange.rely(on: headers) }
            let before = exchange.callerCharges
            for index in 0..<conditions.count {
                let condition = conditions.pointer(at: index)
                guard let key = withUnsafePointer(to: &exchange, { Self.key(of: $0, condition) }) else {
                    guard condition.pointee.refusesWithout else { continue }
                    exchange.takeBackCharges(since: before)
                    return .refuse(Refusal(.rateLimited, detail: condition.pointee.missing))
                }
                let outcome = exchange.charge(key, condition.pointee.rule, meter)
                switch outcome {
                case .charged, .uncounted: continue
                case .exhausted, .noRoom, .noMemory:
                    exchange.takeBackCharges(since: before)
                    if case .noMemory = outcome { return .refuse(Refusal(.headTooLarge, detail: "callers' limits")) }
                    if case .noRoom = outcome { return .refuse(Refusal(.rateLimited, detail: "no room to count the caller")) }
                    return .refuse(Refusal(.rateLimited, detail: condition.pointee.exhausted))
                }
            }
            return .proceed
        }

        // MARK: - Who calls

        /// By what the caller is counted; nil if the request does not say it. The secret keeps callers from choosing whom they meet.
        @inline(__always)
        private static func key(of exchange: UnsafePointer<Exchange>, _ condition: UnsafePointer<Condition>) -> LimitKey? {
            var hash = condition.pointee.seed
            switch condition.pointee.source {
            case .address(let high, let low):
                let client = exchange.pointee.client
                if client.isV4 {
                    hash.add(word: client.low)
                } else {
                    // One word more than an IPv4 address has, so that the two never meet.
                    hash.add(word: client.high & high)
                    hash.add(word: client.low & low)
                }
            case .header(let name):
                guard add(name, of: exchange, to: &hash) else { return nil }
            case .path(let number):
                guard let segment = PathSegment.number(number, of: exchange.pointee.path), !segment.isEmpty else { return nil }
                hash.add(segment[..<PathSegment.endOfName(segment)])
            case .claim(let index):
                guard index < exchange.pointee.forwardedClaimCount, !exchange.pointee.forwardedClaims[index].isEmpty else { return nil }
                hash.add(exchange.pointee.forwardedClaims[index])
            case .caller:
                let caller = exchange.pointee.caller
                guard !caller.name.isEmpty else { return nil }
                // A caller that is deleted and made again is another one.
                hash.add(word: UInt64(caller.id))
                hash.add(caller.name)
            case .absent: return nil
            }
            let value = hash.finish()
            return LimitKey(low: value.low, high: value.high)
        }

        /// Adds the lines of a header that go on to the service, in their order. False if there is none, or nothing in them.
        private static func add(_ name: ByteView, of exchange: UnsafePointer<Exchange>, to hash: inout SipHash128) -> Bool {
            let bytes = exchange.pointee.headBytes
            let fields = exchange.pointee.head.fields
            let withheld = FieldSelection.withheld(peerIsTrusted: exchange.pointee.peerIsTrusted, exchange.pointee.context)
            var isFound = false
            for number in 0..<fields.count {
                let line = fields[number]
                guard withheld & line.known.bit == 0, bytes[line.name].equalsIgnoringCase(name) else { continue }
                let value = bytes[line.value]
                guard !value.isEmpty else { continue }
                hash.add(value)
                isFound = true
            }
            return isFound
        }

        // MARK: - What callers are told

        @inline(__always)
        var limitPolicy: ByteView? { policy }

        func writeLimit(_ writer: inout HeadWriter, _ exchange: borrowing Exchange, isRefusing: Bool) {
            // Of what was refused for another reason there is nothing to tell.
            if isRefusing, secondsToWait(exchange) == nil { return }
            var isFirst = true
            for index in 0..<conditions.count {
                let condition = conditions.pointer(at: index)
                guard let rest = rest(of: exchange, condition) else { continue }
                if !isFirst { writer.write(", ") }
                isFirst = false
                writer.write(condition.pointee.name)
                writer.write(";r=")
                writer.write(decimal: rest.remaining)
                if rest.remaining == 0 {
                    writer.write(";t=")
                    writer.write(decimal: Self.seconds(rest.wait))
                }
            }
        }

        /// Seconds until every limit that the caller has used up admits one more; nil if it has used up none.
        func secondsToWait(_ exchange: borrowing Exchange) -> UInt64? {
            var wait: UInt64?
            for index in 0..<conditions.count {
                guard let rest = rest(of: exchange, conditions.pointer(at: index)), rest.remaining == 0 else { continue }
                wait = max(wait ?? 1, Self.seconds(rest.wait))
            }
            return wait
        }

        /// The least that is left of the limits by a header or by a part of the path; nil where no such limit knows the caller.
        func remaining(_ exchange: borrowing Exchange) -> UInt64? {
            var least: UInt64?
            for index in 0..<conditions.count {
                let condition = conditions.pointer(at: index)
                switch condition.pointee.source {
                case .header, .path: break
                default: continue
                }
                if let rest = rest(of: exchange, condition) { least = min(least ?? .max, rest.remaining) }
            }
            return least
        }

        private func rest(of exchange: borrowing Exchange, _ condition: UnsafePointer<Condition>) -> LimitTable.Rest? {
            guard let key = withUnsafePointer(to: exchange, { Self.key(of: $0, condition) }) else { return nil }
            let context = exchange.context
            let rule = condition.pointee.rule.part(context.pointee.keeper, now: context.pointee.monotonicNanoseconds)
            return meter.table.rest(of: key, rule, now: context.pointee.monotonicNanoseconds)
        }

        private static func seconds(_ nanoseconds: UInt64) -> UInt64 { max(1, (nanoseconds + 999_999_999) / 1_000_000_000) }
    }
}

import SluiceCallers
import SluiceConfiguration
import SluiceCrypto
import SluiceHTTP

/// Admits callers that are known by an API key, in a header of the request.
///
/// Callers are declared in the configuration or made at run time; either way only SHA-256 of a key is kept. The key is hashed, and its digest looked up
/// in the table of all callers (`CallerTable`), which costs the same whether somebody has the key or not. A caller must be enabled, within its times, and have access
/// to the domain: through a plan for it, or one for all domains.
///
/// The header is withheld from services and pre-call APIs unless `hide` says otherwise, in all of the domain: whoever gets a key may use it.
///
/// Refuses with the three `.apiKey` rows. Never suspends. One pass over the fields, one hash, one look-up; no allocation.
enum ApiKey: Policy {
    static let key = "apiKey"
    static let headerDefault = "x-nhn-apikey"

    static let declaration = PolicyDeclaration(
        places: [
            .init(level: .domain, meaning: "Checks that requests have the API key of a caller."),
            .init(level: .endpoint, meaning: "Checks that requests have the API key of a caller, in place of the domain's credentials."),
        ],
        form: .mapping([
            .init("header", .text("name of a header"), .byDefault(headerDefault), "The header that bears the key."),
            .init("hide", .boolean, .byDefault("true"), "Whether the header is withheld from upstreams and pre-call APIs."),
            .init("forwardCaller", .text("name of a header"), .otherwise("the name is not passed on"),
                "A header that tells the upstream the caller's name. A client's own header of this name is removed."),
        ]),
        refusals: [.apiKeyEmpty, .apiKeyInactive, .apiKeyInvalid], goesByClock: true, checksCaller: true, keepsOut: true)

    struct Configuration: Sendable {
        var header = ApiKey.headerDefault
        var hides = true
        /// Nil for none.
        var callerHeader: Located<String>?
    }

    static func read(_ node: ConfigurationNode, problems: Problems) -> Configuration? {
        let before = problems.count
        guard let reader = MappingReader(node, problems) else { return nil }
        let header = reader.string("header")
        let hides = reader.bool("hide")
        let callerHeader = reader.string("forwardCaller")
        reader.finish()
        for name in [header, callerHeader].compactMap({ $0 }) where !isHeader(name.value) {
            problems.add(at: name, found: Quoting.quoted(name.value), allowed: "the name of a header of letters, digits and hyphens that is sent on")
        }
        let configuration = Configuration(header: header?.value ?? headerDefault, hides: hides?.value ?? true, callerHeader: callerHeader)
        if let callerHeader, callerHeader.value.asciiLowercased == configuration.header.asciiLowercased {
            problems.add(at: callerHeader, found: "the header of the key", allowed: "another header")
        }
        return problems.count == before ? configuration : nil
    }

    private static func isHeader(_ name: String) -> Bool {
        guard !name.isEmpty, name.utf8.count <= 128, !UnusualNames.isUnusual(name) else { return false }
        let known = name.withByteView { KnownField(name: $0) }
        return HopByHopFields.isForwarded(known)
    }

    static func fields(_ configuration: Configuration) -> PolicyFields {
        var fields = PolicyFields()
        if let header = configuration.callerHeader { fields.claims = [.init(name: "caller", header: header.value)] }
        if configuration.hides {
            fields.hidden = [configuration.header]
        } else {
            fields.shown = [configuration.header]
            fields.relied = [configuration.header.asciiLowercased]
        }
        return fields
    }

    static func check(_ configuration: Configuration, beside fields: PolicyFields, problems: Problems) {
        guard let header = configuration.callerHeader else { return }
        if PolicyFields.Claim.distinct(fields.claims).count > claimsMax {
            problems.add(at: header, found: "more than \(claimsMax) headers that tell the upstream of the caller", allowed: "at most \(claimsMax), the claims of `jwt` among them")
        }
        if fields.claims.count(where: { UnusualNames.usual($0.header) == UnusualNames.usual(header.value) }) > 1 {
            problems.add(at: header, found: "\(Quoting.quoted(header.value)), which carries a claim of `jwt` too", allowed: "another header")
        }
    }

    /// Values that an exchange has room for: `Exchange.forwardedClaims`.
    static let claimsMax = 8

    static func compile(_ configuration: Configuration, into snapshot: SnapshotBuilder) -> Compiled? {
        compile(configuration, headers: fields(configuration).claims.map(\.header), into: snapshot)
    }

    static func compile(_ configuration: Configuration, at site: PolicySite) -> Compiled? {
        compile(configuration, headers: site.claimHeaders, into: site.snapshot)
    }

    /// - Parameter headers: that bear what is known of callers where the policy holds, in the order of `Exchange.forwardedClaims`; its own is among them.
    private static func compile(_ configuration: Configuration, headers: [String], into snapshot: SnapshotBuilder) -> Compiled {
        let arena = snapshot.arena
        let place = configuration.callerHeader.flatMap { own in headers.firstIndex { $0.asciiLowercased == own.value.asciiLowercased } }
        return Compiled(
            header: arena.bytes(configuration.header.asciiLowercased), relied: FieldNames(configuration.hides ? [] : [configuration.header], into: arena),
            place: place.flatMap { $0 < claimsMax ? $0 : nil }, access: access(in: snapshot), rows: .passUnretained(snapshot.knownCallers.rows))
    }

    /// How callers are found in the domain that is being compiled.
    static func access(in snapshot: SnapshotBuilder) -> CallerAccess {
        CallerAccess(root: snapshot.knownCallers.root, domain: snapshot.knownCallers.use(inDomain: snapshot.domainKey))
    }

    static func describePassing(_ exchange: borrowing Exchange) -> String { "proceed: \(exchange.caller.name.string)" }

    struct Compiled: CompiledPolicy {
        /// In lower case.
        let header: ByteView
        /// The same name, if it goes on to the service.
        let relied: FieldNames
        /// Where the caller's name stands in `Exchange.forwardedClaims`; nil if it is not passed on.
        let place: Int?
        let access: CallerAccess
        /// The registry's, which the arena keeps.
        let rows: Unmanaged<CallerRows>

        func evaluate(_ exchange: inout Exchange) -> Verdict {
            if !relied.isEmpty { exchange.rely(on: relied) }
            let (value, isRepeated) = lines(exchange)
            guard let value, !value.isEmpty || isRepeated else { return .refuse(Refusal(.apiKeyEmpty)) }
            // Which of several lines another reader would take is anybody's guess.
            if isRepeated { return .refuse(Refusal(.apiKeyInvalid, detail: "several keys")) }
            guard value.count <= CallerRules.presentedBytesMax else { return .refuse(Refusal(.apiKeyInvalid)) }
            guard let digest = exchange.allocate(SHA256Hash.byteCount) else { return .refuse(Refusal(.headTooLarge, detail: "the API key")) }
            let view = access.root.view
            guard SHA256Hash.write(value, into: digest), let found = view.pointee.find(digest) else { return .refuse(Refusal(.apiKeyInvalid)) }
            // Also for one that is refused: the log says who it was.
            guard remember(found, digest, &exchange) else { return .refuse(Refusal(.headTooLarge, detail: "the caller's name")) }
            if let refusal = access.admit(found, view, &exchange) { return .refuse(refusal) }
            if let place {
                exchange.forwardedClaims[place] = exchange.caller.name
                exchange.forwardedClaimCount = max(exchange.forwardedClaimCount, place + 1)
            }
            return .proceed
        }

        func isPresented(by exchange: borrowing Exchange) -> Bool {
            let (value, isRepeated) = lines(exchange)
            return isRepeated || value?.isEmpty == false
        }

        /// The first line's value, and whether there are more lines.
        private func lines(_ exchange: borrowing Exchange) -> (value: ByteView?, isRepeated: Bool) {
            let bytes = exchange.headBytes
            let fields = exchange.head.fields
            var value: ByteView?
            for index in 0..<fields.count where fields[index].name.count == header.count && bytes[fields[index].name].equalsIgnoringCase(header) {
                if value != nil { return (value, true) }
                value = bytes[fields[index].value]
            }
            return (value, false)
        }

        /// The table may be another one before the exchange ends, so the name is copied.
        private func remember(_ found: CallerView.Found, _ digest: UnsafeMutablePointer<UInt8>, _ exchange: inout Exchange) -> Bool {
            guard let memory = exchange.allocate(found.nameCount) else { return false }
            memory.update(from: found.name, count: found.nameCount)
            let name = ByteView(base: memory, count: found.nameCount)
            let row = rows._withUnsafeGuaranteedRef { $0.row(of: name) }
            exchange.caller = ExchangeCaller(name: name, id: found.id, row: UInt8(row), digest: UnsafePointer(digest))
            return true
        }
    }
}

import SluiceConfiguration
import SluiceCrypto
import SluiceHTTP

/// Asks for a client's certificate, which the client has shown in its TLS handshake, and tells the services of it.
///
/// The listener has checked it (`ClientVerification`). Here it is decided whether the domain needs one and whose: every list that is written must name it. It
/// stands beside the credentials of a domain or an endpoint, and nothing that these say takes its place. Each request is judged for itself, by its own Host:
/// a connection may carry requests for several domains.
///
/// Refuses with `.certificateMissing` or `.certificateRefused`. If the client has asked for another domain in its handshake, or if it is not known what it
/// would show today, another connection may do better: `.misdirected`. Never suspends. One look-up for the subject and one for each name of the certificate.
enum ClientCertificates: Policy {
    static let key = "clientCertificate"

    static let declaration = PolicyDeclaration(
        places: [.init(level: .domain, meaning: "Requires a client certificate, and tells the upstream of it. The listener must ask for it (`clientCertificates`).")],
        form: .mapping([
            .init("required", .boolean, .byDefault("true"), "Whether requests without a certificate are refused. One that is there must be of the lists in any case."),
            .init("subjects", .list(.text("name by RFC 4514"), countMin: 1), .otherwise("every subject"),
                "Subjects that are let in, such as `CN=client,O=Example`. Capitals and small letters of values differ."),
            .init("sans", .list(.text("`dns:NAME`, `dns:*.NAME`, `uri:URI` or `email:ADDRESS`"), countMin: 1), .otherwise("every name"),
                "Alternative names of which the certificate must have one. `*.` stands for exactly one label."),
        ]),
        refusals: [.certificateMissing, .certificateRefused, .misdirected], goesByClock: true, keepsOut: true)

    /// Names in each list, and bytes of each name.
    static let namesMax = 1000
    static let nameBytesMax = DistinguishedName.bytesMax

    struct Configuration: Sendable, Equatable {
        var isRequired = true
        /// In the form of `DistinguishedName`; nil for every subject.
        var subjects: [[UInt8]]?
        /// Nil for every name.
        var names: [AlternativeName]?
    }

    /// A name that a certificate may have beside its subject, as an operator writes it.
    struct AlternativeName: Sendable, Equatable {
        var kind: ClientCertificateFacts.Name.Kind
        /// Of a wildcard what follows the `*.`.
        var text: String
        var isWildcard = false

        static let allowed = "dns:NAME, dns:*.NAME, uri:URI or email:ADDRESS"

        /// Nil for what can be no such name.
        init?(_ written: String) {
            guard let colon = written.firstIndex(of: ":") else { return nil }
            let text = String(written[written.index(after: colon)...])
            guard !text.isEmpty, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }) else { return nil }
            switch written[..<colon].lowercased() {
            case "uri":
                guard text.contains(":") else { return nil }
                self.init(kind: .uri, text: text)
            case "email":
                guard let at = text.lastIndex(of: "@"), at > text.startIndex, text.index(after: at) < text.endIndex else { return nil }
                self.init(kind: .mail, text: text[..<at] + text[at...].lowercased())
            case "dns":
                let isWildcard = text.hasPrefix("*.")
                let name = (isWildcard ? String(text.dropFirst(2)) : text).lowercased()
                let labels = name.split(separator: ".", omittingEmptySubsequences: false)
                guard name.utf8.count <= 253, labels.allSatisfy({ !$0.isEmpty && $0.utf8.count <= 63 && $0.utf8.allSatisfy(Self.isOfHostName) }) else { return nil }
                self.init(kind: .dns, text: name, isWildcard: isWildcard)
            default: return nil
            }
        }

        private init(kind: ClientCertificateFacts.Name.Kind, text: String, isWildcard: Bool = false) {
            self.kind = kind
            self.text = text
            self.isWildcard = isWildcard
        }

        private static func isOfHostName(_ byte: UInt8) -> Bool {
            byte &- UInt8(ascii: "a") < 26 || byte &- UInt8(ascii: "0") < 10 || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
        }
    }

    // MARK: Reading

    static func read(_ node: ConfigurationNode, problems: Problems) -> Configuration? {
        let before = problems.count
        guard let reader = MappingReader(node, problems) else { return nil }
        var configuration = Configuration()
        configuration.isRequired = reader.bool("required")?.value ?? true
        configuration.subjects = list("subjects", reader) { text in
            do throws(DistinguishedName.Malformed) {
                return try DistinguishedName.canonical(text.value)
            } catch {
                problems.add(at: text, found: Quoting.quoted(text.value), allowed: error.allowed)
                return nil
            }
        }
        configuration.names = list("sans", reader) { text in
            let name = AlternativeName(text.value)
            if name == nil { problems.add(at: text, found: Quoting.quoted(text.value), allowed: AlternativeName.allowed) }
            return name
        }
        reader.finish()
        return problems.count == before ? configuration : nil
    }

    private static func list<Element>(_ key: String, _ reader: MappingReader, _ element: (Located<String>) -> Element?) -> [Element]? {
        guard let list = reader.strings(key) else { return nil }
        if list.value.isEmpty { reader.problems.add(at: list, found: "an empty list, which nobody is in", allowed: "at least one name, or no `\(key)`") }
        if list.value.count > namesMax { reader.problems.add(at: list, found: "\(list.value.count) names", allowed: "at most \(namesMax)") }
        return list.value.prefix(namesMax).compactMap { text in
            guard text.value.utf8.count <= nameBytesMax else {
                reader.problems.add(at: text, found: "a name of \(text.value.utf8.count) bytes", allowed: "at most \(nameBytesMax)")
                return nil
            }
            return element(text)
        }
    }

    // MARK: Compiling

    static func compile(_ configuration: Configuration, into snapshot: SnapshotBuilder) -> Compiled? {
        let arena = snapshot.arena
        func table(_ texts: [[UInt8]]) -> ByteTable {
            let distinct = Set(texts).sorted { $0.lexicographicallyPrecedes($1) }
            return ByteTable(distinct.enumerated().map { (arena.bytes($0.element), UInt32($0.offset)) }, into: arena)
        }
        func table(_ kind: ClientCertificateFacts.Name.Kind, isWildcard: Bool = false) -> ByteTable {
            table((configuration.names ?? []).filter { $0.kind == kind && $0.isWildcard == isWildcard }.map { Array($0.text.utf8) })
        }
        return Compiled(
            isRequired: configuration.isRequired, hasSubjects: configuration.subjects != nil, hasNames: configuration.names != nil,
            subjects: table(configuration.subjects ?? []), dns: table(.dns), wildcards: table(.dns, isWildcard: true), uris: table(.uri), mails: table(.mail),
            domain: snapshot.domainNumber, domains: snapshot.domains)
    }

    // MARK: Evaluating

    struct Compiled: CompiledPolicy {
        let isRequired: Bool
        let hasSubjects, hasNames: Bool
        let subjects: ByteTable
        let dns, wildcards, uris, mails: ByteTable
        /// Its own domain's place among those of the snapshot, and where their table will stand.
        let domain: Int
        let domains: UnsafePointer<DomainTable?>

        func evaluate(_ exchange: inout Exchange) -> Verdict {
            guard let certificate = exchange.certificate else { return isRequired ? .refuse(.certificateMissing) : .proceed }
            switch certificate.pointee.standing(at: exchange.context.pointee.wallSeconds) {
            case .none: return isRequired ? .refuse(refusal(.certificateMissing, certificate)) : .proceed
            case .unknown where !isRequired && !certificate.pointee.isPresent: return .proceed
            case .unknown: return .refuse(.misdirected)
            case .refused: return .refuse(refusal(.certificateOver, certificate))
            case .accepted: break
            }
            if hasSubjects, subjects.value(of: certificate.pointee.subject) == nil {
                return .refuse(refusal(Refusal(.certificateRefused, detail: "subject"), certificate))
            }
            if hasNames, !hasListedName(certificate) { return .refuse(refusal(Refusal(.certificateRefused, detail: "alternative names"), certificate)) }
            exchange.tellsCertificate = true
            return .proceed
        }

        /// What is answered: a client that has asked for another domain in its handshake may have another certificate for this one.
        @inline(never)
        private func refusal(_ own: Refusal, _ certificate: UnsafeMutablePointer<ClientCertificate>) -> Refusal {
            guard let other = domains.pointee?.lookUp(hostName: certificate.pointee.serverName), other != domain else { return own }
            return .misdirected
        }

        private func hasListedName(_ certificate: UnsafeMutablePointer<ClientCertificate>) -> Bool {
            for index in 0..<certificate.pointee.count where isListed(certificate.pointee[index]) { return true }
            return false
        }

        private func isListed(_ name: ClientCertificate.Name) -> Bool {
            switch name.kind {
            case .uri: return uris.value(of: name.text) != nil
            case .mail: return mails.value(of: name.text) != nil
            case .dns:
                if dns.value(of: name.text) != nil { return true }
                // A wildcard stands for exactly one whole label (RFC 9525, 6.3).
                let dot = name.text.index(of: UInt8(ascii: "."), from: 0)
                return dot > 0 && dot + 1 < name.text.count && wildcards.value(of: name.text[(dot + 1)...]) != nil
            }
        }
    }

    static func describePassing(_ exchange: borrowing Exchange) -> String {
        guard let certificate = exchange.certificate, certificate.pointee.isPresent else { return "proceed: no certificate" }
        return "proceed: \(certificate.pointee.subject.string)"
    }
}

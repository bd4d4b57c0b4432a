package import SluiceConfiguration
import SluiceCrypto
import SluiceHTTP

extension GatewayConfiguration {
    /// Reads a configuration tree, a document (Swagger or OpenAPI) included. Every problem of the file is reported, whatever the others are.
    package static func read(_ tree: ConfigurationNode, problems: Problems) -> GatewayConfiguration {
        problems.placeOfKey = KnownKeys.place
        var configuration = GatewayConfiguration()
        let isDocument = APIDocument.isDocument(tree)
        let tree = isDocument ? APIDocument.convert(tree, problems) : tree
        guard let reader = MappingReader(tree, problems) else { return configuration }
        configuration.listeners = reader.mappings("listeners").compactMap { readListener($0) }
        configuration.trustedProxies = readBlocks("trustedProxies", reader)
        configuration.projects = readProjects(reader)
        configuration.plans = readPlans(reader)
        configuration.callers = readCallers(reader)
        let common = readAnswers(reader)
        configuration.errors = common.errors ?? .v1
        configuration.domains = reader.mappings("domains").map { readDomain($0, isDocument: isDocument, common) }
        common.responses.check(paths: configuration.domains.flatMap(\.endpoints).map(\.path.value), problems, of: "a domain")
        if !reader.has("domains") { reader.missing("domains", allowed: "a list of domains") }
        reader.finish()
        checkReferences(configuration, problems)
        checkCallers(configuration, problems)
        return configuration
    }

    // MARK: Listeners and projects

    private static func readListener(_ reader: MappingReader) -> ListenerConfiguration? {
        let text = reader.requiredString("address", allowed: ListenAddress.allowed)
        let certificates = readCertificates(reader)
        let clients = readClientCertificates(reader)
        let expectsProxyHeader = reader.bool("proxyProtocol")?.value ?? false
        let http2 = readHTTP2(reader)
        let connectionsMax = reader.integer("maxConnections", in: 1...10_000_000, unit: "connections")
        let trusted = readBlocks("trustedProxies", reader)
        reader.finish()
        guard let text else { return nil }
        guard let address = ListenAddress(text.value) else {
            reader.problems.add(at: text, found: Quoting.quoted(text.value), allowed: ListenAddress.allowed)
            return nil
        }
        return ListenerConfiguration(
            address: text.map { _ in address }, certificates: certificates, clients: clients, expectsProxyHeader: expectsProxyHeader,
            http2: http2, connectionsMax: Int(connectionsMax?.value ?? 0), trustedProxies: trusted)
    }

    /// `http2`: by ALPN unless it says otherwise; without TLS only where it says `cleartext`.
    private static func readHTTP2(_ reader: MappingReader) -> HTTP2Service {
        let hasTLS = reader.has("tls")
        guard let choice = reader.flag("http2", or: "cleartext") else { return hasTLS ? .byALPN : .nobody }
        switch choice.value {
        case false: return .nobody
        case true where hasTLS: return .byALPN
        case nil where !hasTLS: return .byPreface
        case true:
            reader.problems.add(at: choice, found: "`true` on a listener without `tls`", allowed: "`cleartext` or `false`; with `tls`, `true`")
        default:
            reader.problems.add(at: choice, found: "`cleartext` on a listener with `tls`", allowed: "`true` or `false`")
        }
        return .nobody
    }

    private static func readCertificates(_ reader: MappingReader) -> [Certificate] {
        if case .sequence(let elements)? = reader.node("tls")?.content, elements.isEmpty, let node = reader.node("tls") {
            reader.problems.add(
                at: node, found: "an empty list, which would be a listener without TLS", allowed: "at least one certificate, or no `tls`")
        }
        return reader.mappings("tls", allowSingle: true).compactMap { tls in
            let chain = tls.path("certificate")
            if chain == nil, !tls.has("certificate") { tls.missing("certificate", allowed: "the path of a PEM file") }
            let key = tls.requiredSecret("key").flatMap { pem($0, tls.problems) }
            tls.finish()
            guard let chain, let key else {
                // Without a key nothing tries the chain.
                if let chain { checkReadable(chain, tls.problems) }
                return nil
            }
            return Certificate(chainFile: chain, key: key)
        }
    }

    private static func readClientCertificates(_ reader: MappingReader) -> ClientCertificateRules? {
        guard let rules = reader.mapping("clientCertificates") else { return nil }
        if !reader.has("tls") {
            reader.problems.add(at: reader.located(()), found: "`clientCertificates` on a listener without `tls`", allowed: "`tls` beside it: clients show certificates in TLS only")
        }
        let authorities = rules.path("ca")
        if authorities == nil, !rules.has("ca") { rules.missing("ca", allowed: "the path of a PEM file with the authorities of clients") }
        let mode = rules.enumeration("mode", of: ClientVerification.Mode.self)?.value
        let lists = rules.path("crl")
        rules.finish()
        return authorities.map { ClientCertificateRules(authorityFile: $0, revocationFile: lists, mode: mode ?? .required) }
    }

    /// Nil, with a problem, for a key in the configuration that is none: most likely a path, as `certificate` takes one.
    private static func pem(_ key: Located<Secret>, _ problems: Problems) -> Located<Secret>? {
        guard key.value.source == .literal, !String(decoding: key.value.bytes, as: UTF8.self).contains("-----BEGIN ") else { return key }
        problems.add(at: key, found: "text that is not PEM", allowed: "{file: PATH}, {env: NAME}, or the PEM text of a private key")
        return nil
    }

    private static func checkReadable(_ file: Located<String>, _ problems: Problems) {
        do throws(BoundedFile.Fault) {
            _ = try BoundedFile.read(file.value, bytesMax: 1 << 20)
        } catch {
            problems.add(at: file, found: "a file that cannot be read (\(error.found))", allowed: "a readable PEM certificate chain")
        }
    }

    private static func readBlocks(_ key: String, _ reader: MappingReader) -> [Located<CIDR>] {
        (reader.strings(key)?.value ?? []).compactMap { text in
            guard let block = CIDR(text.value), block.isCanonical else {
                let hint = CIDR(text.value).map { "\($0)" } ?? "an address or a CIDR block, for example 10.0.0.0/8"
                reader.problems.add(at: text, found: Quoting.quoted(text.value), allowed: hint)
                return nil
            }
            return text.map { _ in block }
        }
    }

    private static func readProjects(_ reader: MappingReader) -> [Project] {
        guard let projects = reader.mapping("projects") else { return [] }
        return projects.allEntries().compactMap { name, node in
            if node.isNull { return Project(name: name, ceiling: nil) }
            guard let entry = MappingReader(node, projects.problems) else { return nil }
            let ceiling = entry.integer(ProjectCeiling.key, in: ProjectCeiling.range, unit: "requests per second")
            entry.finish()
            return Project(name: name, ceiling: ceiling)
        }
    }

    private static func checkReferences(_ configuration: GatewayConfiguration, _ problems: Problems) {
        let names = configuration.projects.map(\.name.value)
        for domain in configuration.domains {
            guard let project = domain.project, !names.contains(project.value) else { continue }
            problems.add(
                at: project, found: "the project \(Quoting.quoted(project.value)), which is not defined",
                allowed: names.isEmpty ? "a project of `projects`" : Quoting.alternatives(names))
        }
    }

    // MARK: Domains

    /// How clients are told of errors, at the top for every domain that does not say it itself.
    private static func readAnswers(_ reader: MappingReader) -> (errors: ErrorFamily?, responses: ResponsesConfiguration) {
        let errors = reader.enumeration("errors", ErrorFamily.names).flatMap { ErrorFamily(name: $0.value) }
        return (errors, reader.mapping("responses").map { ResponsesConfiguration.read($0) } ?? ResponsesConfiguration())
    }

    private static func readDomain(
        _ reader: MappingReader, isDocument: Bool, _ common: (errors: ErrorFamily?, responses: ResponsesConfiguration)
    ) -> DomainConfiguration {
        let key = reader.requiredString("key")
        let hosts = reader.strings("hosts", allowSingle: true)?.value ?? []
        let project = reader.string("project")
        let upstreams = readUpstreams(reader)
        let (trust, authority) = readTrust(reader)
        let timeout = reader.integer("upstreamTimeoutMs", in: 1...600_000, unit: "milliseconds")
        let slashes = reader.enumeration("encodedSlashes", ["keep", "reject"])
        let ambiguous = reader.enumeration("ambiguousPaths", ["keep", "reject"])
        let answers = readAnswers(reader)
        var policies = readPolicies(reader, at: .domain)
        let endpoints = reader.mappings("endpoints").map { entry in
            var endpoint = readEndpoint(entry)
            endpoint.policies.complete(in: policies, entry.node, of: reader.node, reader.problems)
            return endpoint
        }
        policies.withholdClaims(ofEndpoints: endpoints.map(\.policies))
        policies.check(in: PolicySettings(), problems: reader.problems)
        for endpoint in endpoints { endpoint.policies.check(in: policies, problems: reader.problems) }
        answers.responses.check(paths: endpoints.map(\.path.value), reader.problems, of: "the domain")
        // What a document says beyond the gateway's concern travels along unread.
        reader.ignore("swagger")
        reader.ignore("openapi")
        reader.finish()
        if let upstream = reader.node("upstream"), upstream.elements?.isEmpty == true {
            reader.problems.add(at: upstream, found: "an empty list", allowed: "at least one URL, or no `upstream`")
        }
        if upstreams.isEmpty, !reader.has("upstream") {
            let needs = endpoints.first { !$0.policies.isWritten(where: \.standsForService) }
            if let needs {
                reader.problems.add(
                    at: needs.path, found: "an endpoint without a mock in a domain without an upstream",
                    allowed: isDocument ? "`--upstream URL` beside the document" : "`upstream` in the domain, or `mock` in each of its endpoints")
            }
        }
        // Also without a key: its other problems are found where it is compiled.
        return DomainConfiguration(
            key: key ?? reader.located(""), hasKey: key != nil, hosts: hosts, project: project, upstreams: upstreams, trust: trust, trustPosition: authority,
            timeoutMilliseconds: timeout?.value, keepsEncodedSlashes: slashes?.value == "keep",
            keepsAmbiguousPaths: ambiguous?.value == "keep", errors: answers.errors ?? common.errors ?? .v1,
            responses: answers.responses.completed(by: common.responses), policies: policies, endpoints: endpoints)
    }

    private static func readUpstreams(_ reader: MappingReader) -> [Located<UpstreamURL>] {
        let offersHTTP2 = reader.bool("http2")?.value ?? false
        return (reader.strings("upstream", allowSingle: true)?.value ?? []).compactMap { text in
            do throws(UpstreamURL.Malformed) {
                var url = try UpstreamURL(text.value)
                guard url.query == nil else {
                    reader.problems.add(at: text, found: "a URL with a query", allowed: "a URL without a query: each request has its own")
                    return nil
                }
                if offersHTTP2 {
                    guard url.isSecure || url.versions == .http2 else {
                        reader.problems.add(
                            at: text, found: "an http:// URL with `http2: true`, which is agreed on in TLS",
                            allowed: "https://, or h2c:// for a service that speaks HTTP/2 without TLS")
                        return nil
                    }
                    if url.isSecure { url.versions = .negotiated }
                }
                return text.map { [url] _ in url }
            } catch {
                reader.problems.add(at: text, found: Quoting.quotedURL(text.value), allowed: error.allowed)
                return nil
            }
        }
    }

    private static func readTrust(_ reader: MappingReader) -> (Origin.Trust, Located<String>?) {
        guard let tls = reader.mapping("upstreamTls") else { return (Origin.Trust(), nil) }
        let authority = tls.path("ca")
        let verifies = tls.bool("verify")?.value ?? true
        tls.finish()
        return (Origin.Trust(authorityFile: authority?.value, verifies: verifies), authority)
    }

    private static func readPolicies(_ reader: MappingReader, at level: PolicyDeclaration.Level) -> PolicySettings {
        guard let policies = reader.mapping("policies") else { return PolicySettings() }
        let settings = PolicySettings(policies, at: level)
        policies.finish()
        return settings
    }

    private static func readEndpoint(_ reader: MappingReader) -> EndpointConfiguration {
        let path = reader.requiredString("path", allowed: "a path pattern, for example /v1.0/members/{memberId}")
        let methods = reader.strings("methods", allowSingle: true)
        let policies = readPolicies(reader, at: .endpoint)
        reader.ignore("swagger")
        reader.ignore("openapi")
        reader.finish()
        return EndpointConfiguration(path: path ?? reader.located(""), hasPath: path != nil, methods: methods, policies: policies)
    }
}

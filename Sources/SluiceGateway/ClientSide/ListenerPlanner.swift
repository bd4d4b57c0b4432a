import Glibc
import SluiceConfiguration
import SluiceCrypto
import SluiceEvent
import SluiceHTTP

/// Turns configured listeners into plans: addresses parsed, certificates loaded and checked.
struct ListenerPlanner {
    let settings: ProcessSettings
    /// Certificates in use, whose session tickets stay good over a reload.
    let previous: [String: TLSServerContext]
    let counts: ConnectionCounts

    struct Outcome {
        var plans: [ListenerPlan] = []
        var certificates: [String: TLSServerContext] = [:]
    }

    /// The listeners; where the file has none, the one of the process settings.
    func plan(_ configuration: GatewayConfiguration, problems: Problems) -> Outcome {
        var outcome = Outcome()
        guard !configuration.listeners.isEmpty else {
            if let address = socketAddress(settings.listen) {
                let name = settings.listen.description
                outcome.plans.append(ListenerPlan(
                    address: name, socketAddress: address, tls: nil, expectsProxyHeader: false, acceptsPreface: false, connectionsMax: 0, open: counts.of(name)))
            }
            return outcome
        }
        for listener in configuration.listeners {
            let name = listener.address.value.description
            if outcome.plans.contains(where: { $0.address == name }) {
                problems.add(at: listener.address, found: "the address \(name) a second time", allowed: "one listener for each address")
                continue
            }
            guard let address = socketAddress(listener.address.value) else {
                problems.add(at: listener.address, found: name, allowed: ListenAddress.allowed)
                continue
            }
            let tls = loadCertificates(of: listener, named: name, problems: problems, into: &outcome)
            if !listener.certificates.isEmpty, tls == nil { continue }
            outcome.plans.append(ListenerPlan(
                address: name, socketAddress: address, tls: tls, expectsProxyHeader: listener.expectsProxyHeader,
                acceptsPreface: listener.http2 == .byPreface, connectionsMax: listener.connectionsMax, open: counts.of(name)))
        }
        return outcome
    }

    private func socketAddress(_ address: ListenAddress) -> SocketAddress? {
        IPAddress(address.host).map { SocketAddress($0, port: address.port) }
    }

    private func loadCertificates(
        of listener: GatewayConfiguration.ListenerConfiguration, named name: String, problems: Problems, into outcome: inout Outcome
    ) -> TLSServerContext? {
        guard !listener.certificates.isEmpty else { return nil }
        let sources = listener.certificates.map { certificate in
            TLSCertificateSource(chainFile: certificate.chainFile.value, key: .pem(certificate.key.value.bytes))
        }
        let files = listener.certificates.map(\.chainFile.value) + [listener.clients?.authorityFile.value, listener.clients?.revocationFile?.value].compactMap(\.self)
        let reading = FilesUnderWay.begin(files.joined(separator: " or "))
        defer { FilesUnderWay.end(reading) }
        let clients = listener.clients.map { Self.verification($0, settings, problems) }
        if let clients, clients == nil { return nil }
        do {
            let context = try TLSServerContext(
                sources, now: Int64(Clock.wallNanoseconds() / 1_000_000_000), replacing: previous[name],
                http2: listener.http2 == .byALPN, clients: clients ?? nil)
            outcome.certificates[name] = context
            for (certificate, facts) in zip(listener.certificates, context.certificates) {
                for warning in facts.warnings {
                    problems.add(
                        at: certificate.chainFile, found: warning, allowed: "a certificate that is valid now, and its chain in order", scope: .notice)
                }
            }
            return context
        } catch {
            reportFaults(of: listener.certificates, error, problems)
            return nil
        }
    }

    /// How a listener judges its clients; nil, with a problem, if a file cannot be used.
    static func verification(
        _ rules: GatewayConfiguration.ClientCertificateRules, _ settings: ProcessSettings, _ problems: Problems
    ) -> ClientVerification? {
        let now = Int64(Clock.wallNanoseconds() / 1_000_000_000)
        let authorities: ClientAuthorities
        do {
            authorities = try ClientAuthorities(file: rules.authorityFile.value)
        } catch {
            problems.add(at: rules.authorityFile, found: error.message, allowed: "a readable PEM file with the authorities of clients")
            if let file = rules.revocationFile { _ = lists(file, problems) }
            return nil
        }
        for warning in authorities.warnings(now: now) {
            problems.add(at: rules.authorityFile, found: warning, allowed: "authorities that are valid now", scope: .notice)
        }
        var known: RevocationLists?
        if let file = rules.revocationFile {
            guard let lists = lists(file, problems) else { return nil }
            known = lists
            do {
                try lists.check(by: authorities)
            } catch {
                problems.add(at: file, found: error.message, allowed: "lists that the authorities in `ca` have signed")
                return nil
            }
            for warning in lists.warnings(now: now, of: authorities) {
                problems.add(at: file, found: warning, allowed: "a list of each authority that is valid now", scope: .notice)
            }
        }
        do {
            return try ClientVerification(
                authorities, lists: known, mode: rules.mode,
                bounds: .init(chainBytesMax: settings.clientChainBytes, intermediatesMax: settings.clientChainDepth))
        } catch {
            problems.add(at: rules.authorityFile, found: error.message, allowed: "certificates of authorities that can be used")
            return nil
        }
    }

    private static func lists(_ file: Located<String>, _ problems: Problems) -> RevocationLists? {
        do {
            return try RevocationLists(file: file.value)
        } catch {
            problems.add(at: file, found: error.message, allowed: "a readable PEM file with lists of revoked certificates (X509 CRL)")
            return nil
        }
    }

    /// Reports each certificate that cannot be used by itself; where each can, what is wrong with them together.
    private func reportFaults(
        of certificates: [GatewayConfiguration.Certificate], _ together: CryptoError, _ problems: Problems
    ) {
        let allowed = "a readable PEM certificate chain and its private key"
        let before = problems.count
        for certificate in certificates {
            let source = TLSCertificateSource(chainFile: certificate.chainFile.value, key: .pem(certificate.key.value.bytes))
            do throws(CryptoError) {
                _ = try TLSServerContext([source], now: 0)
            } catch {
                problems.add(at: certificate.chainFile, found: error.message, allowed: allowed)
            }
        }
        guard problems.count == before, let first = certificates.first else { return }
        problems.add(at: first.chainFile, found: together.message, allowed: allowed)
    }
}

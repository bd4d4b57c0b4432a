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
        let reading = FilesUnderWay.begin(listener.certificates.map(\.chainFile.value).joined(separator: " or "))
        defer { FilesUnderWay.end(reading) }
        do {
            let context = try TLSServerContext(
                sources, now: Int64(Clock.wallNanoseconds() / 1_000_000_000), replacing: previous[name],
                http2: listener.http2 == .byALPN)
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

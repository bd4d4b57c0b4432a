import SluiceConfiguration
import SluiceCrypto
import SluiceHTTP

// What the listener would make of the client's certificate.

extension Explainer {
    /// Judges the certificate of a request as the listener does in its handshake, and hands it to the exchange.
    ///
    /// - Returns: why the handshake fails; nil if it does not.
    /// - Throws: a file cannot be used, so that nobody knows.
    func shakeHands(_ explanation: inout Explanation, _ request: ExplainedRequest, _ block: ExchangeRef) throws(SetupError) -> String? {
        guard request.target.isSecure, let listener = listener(of: request) else { return nil }
        guard let rules = listener.clients else {
            if request.certificateFile != nil {
                explanation.facts.append(.init(label: "shows", lines: ["nothing: no certificate is asked for by the listener \(listener.address.value)"]))
            }
            return nil
        }
        let problems = Problems(file: "")
        guard let verification = ListenerPlanner.verification(rules, settings, problems) else {
            throw SetupError(message: problems.all.first.map { "\($0)" } ?? "the listener's files cannot be used")
        }
        guard let file = request.certificateFile else {
            explanation.facts.append(.init(label: "shows", lines: ["no certificate, to the listener \(listener.address.value) with mode \(rules.mode.rawValue)"]))
            guard verification.mode == .optional else { return "\(ClientCertificateFault.missing.label)" }
            return hand(nil, of: request, to: block)
        }
        let judged: Result<ClientCertificateFacts, ClientCertificateFault>
        do throws(CryptoError) {
            judged = try ClientCertificateFile.read(file, by: verification)
        } catch {
            throw SetupError(message: error.message)
        }
        switch judged {
        case .failure(let fault):
            explanation.facts.append(.init(label: "shows", lines: ["a certificate that is not accepted by the listener \(listener.address.value): \(fault.label)"]))
            return "\(fault.label)"
        case .success(let facts):
            let subject = facts.subject.isEmpty ? "(no subject)" : String(decoding: facts.subject, as: UTF8.self)
            let names = facts.names.map { "\($0.kind.label):\(String(decoding: $0.text, as: UTF8.self))" }
            explanation.facts.append(.init(label: "shows", lines: ["\(subject), accepted by the listener \(listener.address.value)"] + names))
            return hand(facts, of: request, to: block)
        }
    }

    private func hand(_ facts: ClientCertificateFacts?, of request: ExplainedRequest, to block: ExchangeRef) -> String? {
        let host = request.target.authority.map { Array($0.utf8.prefix { $0 != UInt8(ascii: ":") }) } ?? []
        guard let certificate = ClientCertificate.make(serverName: host, facts, session: nil) else { return "\(ClientCertificateFault.tooLarge.label)" }
        // The connection's from here on.
        block.pointee.run.client.pointee.certificate = certificate
        block.pointee.exchange.certificate = certificate
        return nil
    }
}

extension ClientCertificateFacts.Name.Kind {
    /// As `sans` names it.
    fileprivate var label: String {
        switch self {
        case .dns: "dns"
        case .uri: "uri"
        case .mail: "email"
        }
    }
}

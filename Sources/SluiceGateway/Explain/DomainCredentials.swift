import SluiceConfiguration
import SluiceCrypto
import SluiceEvent
import SluiceHTTP

/// Makes what callers of a configured domain authenticate themselves with, for the command line. Allocates.
package struct DomainCredentials {
    /// Why there are none.
    package struct Fault: Error {
        package let message: String
        /// Whether the caller's arguments are at fault, rather than the configuration.
        package let isOfArguments: Bool

        init(_ message: String, isOfArguments: Bool = false) {
            self.message = message
            self.isOfArguments = isOfArguments
        }
    }

    private let domain: GatewayConfiguration.DomainConfiguration
    /// Nil for the domain itself.
    private let endpoint: GatewayConfiguration.EndpointConfiguration?

    /// - Parameters:
    ///   - domain: the domain's key.
    ///   - endpoint: the path of one of its endpoints, as configured, or methods and path, as in metrics; nil for the domain itself.
    package init(_ configuration: GatewayConfiguration, domain key: String, endpoint name: String? = nil) throws(Fault) {
        guard let domain = configuration.domains.first(where: { $0.key.value == key }) else {
            let keys = Quoting.alternatives(configuration.domains.map(\.key.value))
            throw Fault("there is no domain with the key \(Quoting.quoted(key)); allowed: \(keys)")
        }
        self.domain = domain
        endpoint = try name.map { name throws(Fault) in try Self.endpoint(named: name, of: domain) }
    }

    private static func endpoint(
        named name: String, of domain: GatewayConfiguration.DomainConfiguration
    ) throws(Fault) -> GatewayConfiguration.EndpointConfiguration {
        let found = domain.endpoints.filter { [$0.path.value, $0.name].contains(name) }
        if found.count == 1 { return found[0] }
        let names = Quoting.alternatives((found.isEmpty ? domain.endpoints : found).map(\.name))
        let fault = found.isEmpty ? "there is no endpoint" : "there are several endpoints"
        throw Fault("\(fault) \(Quoting.quoted(name)) in the domain \(Quoting.quoted(domain.key.value)); allowed: \(names)", isOfArguments: true)
    }

    /// The configurations of a policy that checks who calls: one, or several alternatives.
    private func policies<Kind: Policy>(_ policy: Kind.Type, _ name: String) throws(Fault) -> [Kind.Configuration] {
        let owner = endpoint.map { "endpoint \(Quoting.quoted($0.name))" } ?? "domain \(Quoting.quoted(domain.key.value))"
        let found = if let endpoint {
            endpoint.policies.credentials(policy, in: domain.policies)
        } else {
            domain.policies.credentials(policy, in: PolicySettings())
        }
        if !found.isEmpty { return found }
        let others = domain.endpoints.filter { !$0.policies.credentials(policy, in: domain.policies).isEmpty }.map(\.name)
        let hint = others.isEmpty ? "" : "; --endpoint names one that has: \(Quoting.alternatives(others))"
        throw Fault("the \(owner) has no \(name) policy\(hint)")
    }

    /// The header lines that authenticate one request under the HMAC policy, without line ends.
    ///
    /// In the named form the fields that are signed are among them, so that what is signed is what is sent.
    /// - Parameters:
    ///   - target: path and query as they will be sent, or an absolute URL.
    ///   - timestamp: in a format that the policy reads; nil for now.
    ///   - fields: the lines that the request will bear. Where Host is wanted and not among them, it is the URL's authority, or
    ///     `localhost`.
    ///   - isNamed: whether the named form is wanted where the compact one would do.
    package func hmacLines(
        method: String, target: String, timestamp: String? = nil, fields: [(name: String, value: String)] = [], isNamed: Bool = false
    ) throws(Fault) -> [String] {
        let configuration = try policies(HMAC.self, "HMAC")[0]
        if let timestamp, Array(timestamp.utf8).withByteView({ GatewayTimestamp.parse($0) }) == nil {
            throw Fault("\(Quoting.quoted(timestamp)) is not a timestamp; allowed is, for example, 2026-01-31T09:00:00Z", isOfArguments: true)
        }
        let url = try ExplainedRequest.Target(target)
        let time = timestamp ?? HMAC.Signer.timestamp(at: Int64(Clock.wallNanoseconds() / 1_000_000_000))
        var signer = HMAC.Signer(configuration: configuration)
        if isNamed { signer.listedHeaders = fields.map { $0.name.lowercased() } }
        let names = signer.signedHeaders
        var fields = fields
        if names.contains("host"), !fields.contains(where: { $0.name.lowercased() == "host" }) {
            fields.append(("Host", url.authority ?? "localhost"))
        }
        do throws(HMAC.Signer.Fault) {
            let lines = try signer.lines(
                method: method, target: url.target, timestamp: time, headers: fields, isNamed: isNamed)
            let signed = fields.filter { names.contains($0.name.lowercased()) }.map { "\($0.name): \($0.value)" }
            return lines + signed
        } catch {
            throw Fault(error.description + "; give it with -H", isOfArguments: true)
        }
    }

    /// A token that the JWT policy accepts.
    ///
    /// - Parameters:
    ///   - claims: names and values; they add to what the policy asks for, or replace it.
    ///   - lifetimeSeconds: until `exp`, where no claim says otherwise.
    ///   - privateKey: PEM text; for policies with public keys.
    ///   - keyID: the header's `kid`; nil for that of the matching key in a set that is a file.
    ///   - issuer: which of the policy's issuers is meant; nil for the first that the private key, or its absence, fits.
    package func token(
        claims: [(name: String, value: String)] = [], lifetimeSeconds: Int = 300, privateKey: [UInt8]? = nil, keyID: String? = nil,
        issuer name: String? = nil
    ) throws(Fault) -> String {
        let issuer = try Self.issuer(name, signsItself: privateKey == nil, of: policies(JWT.self, "JWT").flatMap(\.issuers))
        var hasSecret = false
        if case .secret = issuer.key { hasSecret = true }
        if !hasSecret, privateKey == nil {
            throw Fault("the policy has public keys: give the private key with --private-key", isOfArguments: true)
        }
        if hasSecret, privateKey != nil {
            throw Fault("the policy has a secret, and no private key belongs to it", isOfArguments: true)
        }
        let matchingID = try privateKey.flatMap { pem throws(Fault) in try Self.keyID(of: pem, in: issuer.key) }
        let now = Int64(Clock.wallNanoseconds() / 1_000_000_000)
        let lifetime = [(name: "exp", value: String(now + Int64(lifetimeSeconds)))]
        do throws(JWT.TokenSigner.Fault) {
            return try JWT.TokenSigner(issuer: issuer).token(
                claims: lifetime + claims, now: now, privateKey: privateKey, keyID: keyID ?? matchingID)
        } catch {
            throw Fault(error.description, isOfArguments: privateKey != nil)
        }
    }

    /// The first that is meant, rather one that the key that is at hand may belong to.
    /// - Parameter signsItself: whether there is no private key.
    private static func issuer(_ name: String?, signsItself: Bool, of issuers: [JWT.Issuer]) throws(Fault) -> JWT.Issuer {
        let meant = issuers.filter { name == nil || $0.name == name }
        let fitting = meant.first { issuer in
            if case .secret = issuer.key { signsItself } else { !signsItself }
        }
        if let issuer = fitting ?? meant.first { return issuer }
        let names = issuers.compactMap(\.name).map { Quoting.quoted($0) }
        throw Fault("the policy has no issuer \(Quoting.quoted(name ?? "")); allowed: \(Quoting.alternatives(names))", isOfArguments: true)
    }

    /// The `kid` under which the policy knows a private key's other half, if it has one. A key whose other half the policy
    /// does not have is a fault: no token of it would be accepted.
    private static func keyID(of pem: [UInt8], in key: JWT.Key) throws(Fault) -> String? {
        do throws(CryptoError) {
            let privateKey = try pem.withByteView { text throws(CryptoError) in try PrivateKey(pem: text) }
            guard let match = PublicKeys(key)?.counterpart(of: privateKey) else { return nil }
            if match.isKnown { return match.id }
        } catch {
            throw Fault(error.message, isOfArguments: true)
        }
        throw Fault("the private key does not belong to a public key of the policy", isOfArguments: true)
    }
}

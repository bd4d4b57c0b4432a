import Foundation
import SluiceConfiguration
import SluiceGateway

/// The `curl` lines that `sluice demo` prints: one for each thing that the gateway does, with credentials made on the spot.
struct DemoLines {
    /// What the line shows, the line, and the status of its last response.
    struct Line {
        let title: String
        let command: String
        let status: Int
    }

    /// Seconds for which tokens are good; signatures are for as long as the demo's configuration says.
    private static let lifetimeSeconds = 86_400

    /// `http://127.0.0.1:8080`
    let base: String
    /// How this program was called.
    let program: String
    let configuration: GatewayConfiguration
    let certificates: DemoCertificates
    /// PEM text of the private half of the demo's key set.
    let privateKey: [UInt8]

    /// What is printed once the gateway serves.
    func text() throws -> String {
        var text = "sluice demo: the gateway listens on \(base). Paste any line below. The status to expect stands above it, after the arrow.\n"
        for line in try all() { text += "\n# \(line.title) -> \(line.status)\n\(line.command)\n" }
        return text + """

            # The configuration: \(program) demo --print-config
            # Why a request is answered as it is: \(program) explain --config <(\(program) demo --print-config) GET /demo/hello
            # Ctrl-C ends it.

            """
    }

    func all() throws -> [Line] {
        let good = "Authorization: Bearer \(try token("token", ["sub=alice"]))"
        let expired = "Authorization: Bearer \(try token("token", ["exp=1000000000"]))"
        let secure = "curl -si --http1.1 --cacert '\(certificates.authority)'"
        let partners = "'https://127.0.0.1:\(certificates.port)/partners/a'"
        let keyed = "Authorization: Bearer \(try token("keys", [], key: privateKey))"
        return [
            line("Proxy: the upstream sees /base/echo/a?b=c and who asked", "/demo/echo/a?b=c", 200),
            line("Mock: an answer in place of the upstream's", "/demo/hello", 200),
            line("No such endpoint", "/demo/nothing", 404),
            line("A path that climbs above the root", "/demo/../../etc/passwd", 400, "--path-as-is"),
            line("URL rewrite by expression: /v1.0/members/7 becomes /members/7", "/demo/v1.0/members/7", 200),
            line("URL rewrite by template: /templates/2/logo becomes /templates/logo/2", "/demo/templates/2/logo", 200),
            line("Header changes: the request gets X-Gateway and loses X-Debug; the response gets X-Served-By and loses X-Sample", "/demo/headers", 200, "-H 'X-Debug: 1'"),
            line("Pre-call API: another service says yes", "/demo/guarded", 200, "-H 'X-Demo-User: alice'"),
            line("Pre-call API: it says no, and the client gets its answer", "/demo/guarded", 403, "-H 'X-Demo-User: mallory'"),
            line("Validation: a parameter is missing", "/demo/report", 400),
            line("Validation: a parameter is not what it must be", "/demo/report?from=2026-12-01&page=0", 400),
            line("Validation: one is there in two spellings, of which services take one or the other", "/demo/report?from=2026-12-01&page=1&page[]=0", 400, "-g"),
            line("Validation: a body that its JSON Schema describes", "/demo/orders", 200, Self.json(#"{"items":[{"sku":"A1","count":2}]}"#)),
            line("Validation: a body that it does not; the error names the place and the rule", "/demo/orders", 400, Self.json(#"{"items":[{"sku":"A1","count":0}]}"#)),
            line("Rate limit: 2 of one address in any 10 seconds, so the third is refused", "/demo/login?[1-3]", 429),
            line("Usage quota: 2 a day, so the third is refused", "/demo/metered?[1-3]", 403),
            line("Project ceiling: 2 in any second, so the third is refused", "/burst/hello?[1-3]", 429),
            line("IP ACL: this address is refused", "/walled/", 403),
            line("An error in words of one's own, as HTML for who accepts it", "/walled/", 403, "-H 'Accept: text/html'"),
            line("CORS preflight", "/demo/hello", 204,
                "-X OPTIONS -H 'Origin: https://app.example.com' -H 'Access-Control-Request-Method: GET'"),
            line("CORS: the answer names the origin", "/demo/hello", 200, "-H 'Origin: https://app.example.com'"),
            line("Maintenance", "/closed/anything", 503),
            line("HMAC: no signature", "/signed/a?b=c", 401),
            line("HMAC: signed", "/signed/a?b=c", 200, try signature("/signed/a?b=c")),
            Line(
                title: "HMAC: signed by `sluice sign`",
                command: "\(program) sign --config <(\(program) demo --print-config) --domain signed GET /signed/a | curl -si -H @- '\(base)/signed/a'",
                status: 200),
            line("JWT: no token", "/token/a", 401),
            line("JWT HS256: a good token; its subject goes to the upstream as X-User", "/token/a", 200, "-H '\(good)'"),
            line("JWT HS256: a token that has expired", "/token/a", 401, "-H '\(expired)'"),
            line("JWT RS256: the key comes from a JWKS", "/keys/a", 200, "-H '\(keyed)'"),
            line("One of several kinds of credentials: none, and the 401 names all of them", "/either/a", 401),
            line("One of several: a signature", "/either/a", 200, try signature("/either/a", domain: "either")),
            line("One of several: a token, whose issuer chooses the secret", "/either/a", 200, "-H 'Authorization: Bearer \(try token("either", ["sub=alice"]))'"),
            line("One of several: a token whose issuer says where its keys are; its roles go to the upstream as X-Roles", "/either/a", 200,
                "-H 'Authorization: Bearer \(try token("either", ["realm_access={\"roles\":[\"reader\"]}"], key: privateKey))'"),
            line("API key: none", "/members/a", 403),
            line("API key: alice's; the upstream gets her name as X-Caller", "/members/a", 200, "-H 'x-nhn-apikey: demoKeyOfAlice0123456789'"),
            line("API key: bob's, which has expired", "/members/a", 403, "-H 'x-nhn-apikey: demoKeyOfBob0123456789ab'"),
            line("Plan: 2 of one caller in any second, so the third is refused", "/members/a?[1-3]", 429, "-H 'x-nhn-apikey: demoKeyOfAlice0123456789'"),
            Line(title: "Client certificate: none was shown", command: "\(secure) \(partners)", status: 401),
            Line(
                title: "Client certificate: alice's; the upstream gets X-Forwarded-Client-Cert",
                command: "\(secure) --cert '\(certificates.client.certificate)' --key '\(certificates.client.key)' \(partners)", status: 200),
            Line(
                title: "A body over the limit",
                command: "head -c 11000000 /dev/zero | curl -si --data-binary @- '\(base)/demo/echo/upload'", status: 413),
            line("An upstream that is slower than it may be", "/slow/slow", 504),
        ]
    }

    private static func json(_ body: String) -> String { "-H 'Content-Type: application/json' -d '\(body)'" }

    private func line(_ title: String, _ target: String, _ status: Int, _ options: String = "") -> Line {
        Line(title: title, command: "curl -si \(options.isEmpty ? "" : options + " ")'\(base)\(target)'", status: status)
    }

    private func signature(_ target: String, domain: String = "signed") throws -> String {
        try DomainCredentials(configuration, domain: domain).hmacLines(method: "GET", target: target)
            .map { "-H '\($0)'" }.joined(separator: " ")
    }

    private func token(_ domain: String, _ claims: [String], key: [UInt8]? = nil) throws -> String {
        let claims = claims.map { claim in
            let parts = claim.split(separator: "=", maxSplits: 1).map(String.init)
            return (name: parts[0], value: parts.count > 1 ? parts[1] : "")
        }
        return try DomainCredentials(configuration, domain: domain).token(
            claims: claims, lifetimeSeconds: Self.lifetimeSeconds, privateKey: key)
    }
}

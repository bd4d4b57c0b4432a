import ArgumentParser
import SluiceConfiguration
import SluiceGateway

/// `sluice token`: a token that a domain's JWT policy accepts.
struct Token: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print a token that a domain's JWT policy accepts.",
        discussion: """
            The token has the issuer, the audience and the claims that the policy asks for. --claim adds a claim or replaces one. \
            For example:

              token=$(sluice token --config sluice.yaml --domain orders)
              curl -H "Authorization: Bearer $token" http://127.0.0.1:8080/orders/
            """)

    @OptionGroup var source: ConfigurationOption

    @Option(help: ArgumentHelp("The domain's key.", valueName: "KEY"))
    var domain: String

    @Option(help: ArgumentHelp(
        "An endpoint of the domain that has credentials of its own: its path as configured, or its methods and its path, as in \"GET,POST /a\".",
        valueName: "ENDPOINT"))
    var endpoint: String?

    @Option(help: ArgumentHelp(
        "A claim; may be repeated. A name with dots, such as realm_access.roles, is a claim inside of objects, unless it is a URL. A value that is JSON (a number, true, a list) is used as JSON, any other value as text.", valueName: "NAME=VALUE"))
    var claim: [String] = []

    @Option(help: ArgumentHelp("The PEM file of the private key. Required if the policy has public keys, and only then.", valueName: "PEM"))
    var privateKey: String?

    @Option(help: ArgumentHelp("The `kid` in the token's header. Not needed if the policy's key set is a file.", valueName: "KID"))
    var keyID: String?

    @Option(help: ArgumentHelp("The issuer whose token is made, if the policy has several; without this option, the first.", valueName: "ISSUER"))
    var issuer: String?

    @Option(help: ArgumentHelp("How long the token is valid, 1 to 31536000 seconds.", valueName: "SECONDS"))
    var lifetime: Int = 300

    func validate() throws {
        guard (1...31_536_000).contains(lifetime) else { throw ValidationError("--lifetime takes 1 to 31536000 seconds") }
    }

    func run() throws {
        let claims = try claim.map { text in
            guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
                throw ValidationError("--claim takes NAME=VALUE")
            }
            return (name: String(text[..<equals]), value: String(text[text.index(after: equals)...]))
        }
        let key = try privateKey.map(Self.read)
        let credentials = try DomainCredentials.load(source, domain: domain, endpoint: endpoint)
        let token: String
        do throws(DomainCredentials.Fault) {
            token = try credentials.token(claims: claims, lifetimeSeconds: lifetime, privateKey: key, keyID: keyID, issuer: issuer)
        } catch {
            throw error.report
        }
        try Report.output(token + "\n")
    }

    private static func read(_ path: String) throws -> [UInt8] {
        do throws(BoundedFile.Fault) {
            return try BoundedFile.read(path, bytesMax: 1 << 20, kind: .argument)
        } catch {
            throw Report.unusable(["\(path): \(error.found)"])
        }
    }
}

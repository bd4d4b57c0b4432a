import Foundation
import Testing

/// The JWT policy beside PyJWT, an independent implementation, in both directions. `SLUICE_PYJWT` names a Python that has `pyjwt[crypto]`.
@Suite("PyJWT", .loopback, .minutes(5), .enabled(if: ProcessInfo.processInfo.environment["SLUICE_PYJWT"] != nil))
struct PyJWTTests {
    private static let algorithms = ["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]

    /// Reads `{"make": [algorithm, ...]}` or `{"verify": {algorithm: {token, key}}}`, and prints keys and tokens, or subjects.
    private static let script = #"""
        import json, sys, time
        import jwt
        from cryptography.hazmat.primitives import serialization as s
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
        from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
        work = json.load(sys.stdin)
        if "verify" in work:
            done = {}
            for name, case in work["verify"].items():
                try:
                    done[name] = jwt.decode(case["token"], case["key"], algorithms=[name], audience="orders", issuer="idp")["sub"]
                except Exception as fault:
                    done[name] = repr(fault)
            print(json.dumps(done))
            sys.exit()
        made = {}
        big = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        kinds = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
        claims = {"exp": int(time.time()) + 600, "iss": "idp", "aud": ["orders"], "sub": "py"}
        for name in work["make"]:
            if name.startswith("HS"):
                secret = "0123456789abcdef" * 4
                made[name] = {"secret": secret, "token": jwt.encode(claims, secret, algorithm=name)}
                continue
            key, form = big, RSAAlgorithm
            if name in kinds: key, form = ec.generate_private_key(kinds[name]), ECAlgorithm
            if name == "EdDSA": key, form = ed25519.Ed25519PrivateKey.generate(), OKPAlgorithm
            jwk = json.loads(form.to_jwk(key.public_key()))
            jwk.update(kid=name, use="sig", alg=name)
            made[name] = {
                "private": key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()).decode(),
                "public": key.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo).decode(),
                "set": json.dumps({"keys": [jwk]}), "token": jwt.encode(claims, key, algorithm=name, headers={"kid": name})}
        print(json.dumps(made))
        """#

    private func python<Answer: Decodable>(_ work: some Encodable, as: Answer.Type) throws -> Answer {
        let program = ProcessInfo.processInfo.environment["SLUICE_PYJWT"] ?? "python3"
        let result = try command([program, "-c", Self.script], input: [UInt8](JSONEncoder().encode(work)))
        guard result.code == 0 else { throw HarnessError(result.everything) }
        return try JSONDecoder().decode(Answer.self, from: Data(result.output.utf8))
    }

    private struct Made: Decodable {
        var secret: String?
        var `private`: String?
        var `public`: String?
        var set: String?
        var token: String
    }

    private struct Case: Encodable {
        var token: String
        var key: String
    }

    @Test("tokens of PyJWT pass where their algorithm is accepted and nowhere else; tokens of `sluice token` are right to PyJWT")
    func bothWays() throws {
        let made = try python(["make": Self.algorithms], as: [String: Made].self)
        let folder = try Folder()
        let endpoints = try Self.algorithms.map { name in
            let one = try #require(made[name])
            if let set = one.set { try folder.write(name + ".json", set) }
            if let key = one.private { try folder.write(name + ".pem", key) }
            let key = one.secret.map { "secret: \($0)" } ?? "jwks: \"\(folder.file(name + ".json"))\""
            return EndpointText("/\(name)", "jwt: {\(key), algorithm: \(name), issuer: idp, audience: orders}, \(helloMock)")
        }
        let gateway = try Gateway(configuration(endpoints))
        for name in Self.algorithms {
            let token = try #require(made[name]?.token)
            for place in Self.algorithms {
                let status = try gateway.get("/api/\(place)", ["Authorization: Bearer \(token)"]).status
                #expect(status == (place == name ? 200 : 401), "\(name) at \(place)")
            }
        }
        let file = gateway.folder.file("sluice.yaml")
        var cases: [String: Case] = [:]
        for name in Self.algorithms {
            let key = made[name]?.private == nil ? [] : ["--private-key", folder.file(name + ".pem")]
            let result = try run(["token", "--config", file, "--domain", "api", "--endpoint", "/\(name)", "--claim", "sub=sluice"] + key)
            #expect(result.code == 0, "\(name): \(result.everything)")
            cases[name] = Case(token: result.output.trimmingCharacters(in: .whitespacesAndNewlines), key: made[name]?.public ?? made[name]?.secret ?? "")
        }
        let read = try python(["verify": cases], as: [String: String].self)
        #expect(read == Dictionary(uniqueKeysWithValues: Self.algorithms.map { ($0, "sluice") }))
    }
}

import SluiceConfiguration
import SluiceCrypto
import SluiceHTTP
import Testing

@testable import SluiceGateway

@Suite("JWT: algorithms of keys and policies")
struct JWTAlgorithmTests {
    @Test("the examples of RFC 7515, A.3 and RFC 8037, A.4: their keys are taken, and their signatures are right", arguments: [
        (
            #"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
            "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
                + ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q", SignatureAlgorithm.es256
        ),
        (
            #"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
                + ".hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg", .edDSA
        ),
    ])
    func published(key: String, token: String, algorithm: SignatureAlgorithm) throws {
        let keys = try KeySet(Array("{\"keys\":[\(key)]}".utf8)).keys
        try #require(keys.count == 1)
        let verifier = try SignatureVerifier(keys[0].key)
        try Array(token.utf8).withByteView { text in
            let parts = try #require(BearerToken(text))
            var bytes = [UInt8](repeating: 0, count: 128)
            let count = try #require(bytes.withUnsafeMutableBufferPointer { Base64URL.decode(parts.signature, into: $0.baseAddress!) })
            for other in SignatureAlgorithm.allCases {
                let isRight = bytes.withByteView { verifier.handle.verify(parts.signingInput, signature: $0[..<count], other) }
                #expect(isRight == (other == algorithm))
            }
        }
    }

    @Test("keys that are for another algorithm, or not whole, are passed over", arguments: [
        #""kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU""#,
        #""kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a4""#,
        #""kty":"EC","crv":"secp256k1","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0""#,
        #""kty":"EC","crv":"P-256","alg":"ES384","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0""#,
        #""kty":"EC","crv":"P-256","alg":"ECDH-ES","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0""#,
        #""kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#,
        #""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHUQ""#, #""kty":"OKP","crv":"Ed25519""#,
    ])
    func passedOver(key: String) throws {
        #expect(try KeySet(Array("{\"keys\":[{\(key)}]}".utf8)).keys.isEmpty)
    }

    @Test("a token of another algorithm than the policy's is refused, though the set has a key for it; and so is one whose key is for another")
    func algorithms() throws {
        let bench = try AuthenticationBench()
        let registry = bench.snapshot.keySets
        let privateKey = try PrivateKey.generate()
        let numbers = try privateKey.publicNumbers()
        func encoded(_ bytes: [UInt8]) -> String {
            var text = [UInt8](repeating: 0, count: Base64URL.encodedCount(bytes.count) + 3)
            let count = bytes.withByteView { bytes in text.withUnsafeMutableBufferPointer { Base64URL.encode(bytes, into: $0.baseAddress!) } }
            return String(decoding: text.prefix(count), as: UTF8.self)
        }
        func token(_ algorithm: SignatureAlgorithm, _ kid: String?) throws -> String {
            let header = #"{"alg":"\#(algorithm.rawValue)"\#(kid.map { #","kid":"\#($0)""# } ?? "")}"#
            let input = encoded(Array(header.utf8)) + "." + encoded(Array(#"{"exp":\#(AuthenticationBench.now + 60)}"#.utf8))
            return try input + "." + encoded(Array(input.utf8).withByteView { text throws(CryptoError) in try privateKey.sign(text, algorithm) })
        }
        func key(_ kid: String, _ more: String) -> String { #"{"kty":"RSA","kid":"\#(kid)","n":"\#(encoded(numbers.modulus))","e":"\#(encoded(numbers.exponent))"\#(more)}"# }
        let location = try #require(KeySetLocation("http://idp.example.com/jwks", resolve: { $0 }))
        var configuration = JWT.Configuration(key: .keySet(Located(value: location)))
        configuration.only.namedAlgorithms = Located(value: [.ps256, .rs512])
        let policy = try #require(JWT.compile(configuration, into: bench.snapshot))
        bench.takeOver()
        // Some publish one key for each algorithm that it is used with, all under one name.
        let named = [key("any", ""), key("pss", #","alg":"PS256""#), key("both", #","alg":"PS256""#), key("both", #","alg":"RS512""#), key("any", #","alg":"RS512""#)]
        let set = Array("{\"keys\":[\(named.joined(separator: ","))]}".utf8)
        #expect(try KeySet(set).keys.count == 4)
        let now = bench.monotonicNanoseconds
        registry.fetchDue(interval: 300_000_000_000, now: { now }) { _ in .success(set) }
        func outcome(_ algorithm: SignatureAlgorithm, _ kid: String?) throws -> Outcome {
            var exchange = try bench.exchange("GET /", ["Authorization: Bearer \(token(algorithm, kid))"])
            exchange.hasAwaitedKeys = true
            return Outcome(policy.evaluate(&exchange))
        }
        #expect(try outcome(.ps256, "any") == .proceed)
        #expect(try outcome(.ps256, "pss") == .proceed)
        #expect(try outcome(.ps256, nil) == .proceed)
        #expect(try outcome(.rs512, "any") == .proceed)
        #expect(try outcome(.ps256, "both") == .proceed)
        #expect(try outcome(.rs512, "both") == .proceed)
        #expect(try outcome(.rs512, "pss") == .refuse(.jwtInvalid))
        #expect(try outcome(.rs256, "any") == .refuse(.jwtInvalid))
        #expect(try outcome(.ps384, "any") == .refuse(.jwtInvalid))
    }
}

import Foundation
import SluiceConfiguration
import SluiceCrypto
import SluiceHTTP
import Testing

@testable import SluiceGateway

/// The vectors of the project Wycheproof (C2SP/wycheproof), which collects what implementations of cryptography got wrong. They are not part of this
/// tree: `SLUICE_WYCHEPROOF` names a folder with a copy.
@Suite("Wycheproof", .enabled(if: ProcessInfo.processInfo.environment["SLUICE_WYCHEPROOF"] != nil))
struct WycheproofTests {
    private struct Tally: CustomStringConvertible {
        var agreed = 0
        var valid = 0
        var keysRefused = 0
        var differences: [String] = []
        var description: String { "\(agreed) agree (\(valid) of them valid), \(differences.count) differ, \(keysRefused) keys refused" }

        /// - Parameter result: `acceptable` is neither wrong nor right.
        mutating func note(_ name: String, _ result: String, isAccepted: Bool) {
            if result == "acceptable" || isAccepted == (result == "valid") {
                agreed += 1
                if isAccepted { valid += 1 }
            } else {
                differences.append(name)
            }
        }
    }

    private func groups(_ file: String) throws -> [[String: Any]] {
        let folder = ProcessInfo.processInfo.environment["SLUICE_WYCHEPROOF"] ?? ""
        let data = try Data(contentsOf: URL(fileURLWithPath: folder).appending(path: "testvectors_v1/\(file)_test.json"))
        let object = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
        return try #require(object["testGroups"] as? [[String: Any]])
    }

    private func tests(_ group: [String: Any]) -> [[String: Any]] { group["tests"] as? [[String: Any]] ?? [] }

    private func bytes(_ hex: Any?) throws -> [UInt8] {
        let digits = Array(try #require(hex as? String).utf8)
        return try stride(from: 0, to: digits.count, by: 2).map { try #require(UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16)) }
    }

    // MARK: Signatures

    private func tally(_ file: String, _ algorithm: SignatureAlgorithm, isForeign: Bool = false, where isMeant: ([String: Any]) -> Bool = { _ in true }) throws -> Tally {
        var tally = Tally()
        for group in try groups(file) where isMeant(group) {
            let pem = Array(try #require(group["publicKeyPem"] as? String).utf8)
            let verifier = try? pem.withByteView { text throws(CryptoError) in try SignatureVerifier(PublicKey(pem: text)) }
            if verifier == nil { tally.keysRefused += 1 }
            for test in tests(group) {
                let (message, signature) = (try bytes(test["msg"]), try bytes(test["sig"]))
                let isRight = verifier.map { verifier in
                    message.withByteView { message in signature.withByteView { verifier.handle.verify(message, signature: $0, algorithm) } }
                }
                tally.note("\(test["tcId"] ?? 0)", isForeign ? "invalid" : test["result"] as? String ?? "", isAccepted: isRight ?? false)
            }
        }
        return tally
    }

    @Test("signatures: what is valid is accepted, what is not is refused", arguments: [
        ("ecdsa_secp256r1_sha256_p1363", SignatureAlgorithm.es256), ("ecdsa_secp384r1_sha384_p1363", .es384), ("ecdsa_secp521r1_sha512_p1363", .es512), ("ed25519", .edDSA),
        ("rsa_pss_2048_sha256_mgf1_32", .ps256), ("rsa_pss_3072_sha256_mgf1_32", .ps256), ("rsa_pss_4096_sha256_mgf1_32", .ps256), ("rsa_pss_2048_sha384_mgf1_48", .ps384),
        ("rsa_pss_4096_sha384_mgf1_48", .ps384), ("rsa_pss_4096_sha512_mgf1_64", .ps512), ("rsa_signature_2048_sha256", .rs256), ("rsa_signature_3072_sha256", .rs256),
        ("rsa_signature_4096_sha256", .rs256), ("rsa_signature_8192_sha256", .rs256), ("rsa_signature_2048_sha384", .rs384), ("rsa_signature_3072_sha384", .rs384), ("rsa_signature_4096_sha384", .rs384),
        ("rsa_signature_2048_sha512", .rs512), ("rsa_signature_3072_sha512", .rs512), ("rsa_signature_4096_sha512", .rs512),
    ])
    func signatures(file: String, algorithm: SignatureAlgorithm) throws {
        let tally = try tally(file, algorithm)
        print("\(file): \(tally)")
        #expect(tally.agreed > 0 && tally.differences == [] && tally.keysRefused == 0, "\(file): \(tally.differences)")
    }

    @Test("RSA-PSS with other parameters than a token's algorithm has is refused, though it is valid", arguments: [
        ("rsa_pss_2048_sha256_mgf1_0", SignatureAlgorithm.ps256), ("rsa_pss_2048_sha256_mgf1sha1_20", .ps256), ("rsa_pss_2048_sha1_mgf1_20", .ps256),
        ("rsa_pss_2048_sha512_256_mgf1_32", .ps512), ("rsa_pss_2048_sha512_256_mgf1_32", .ps256),
    ])
    func parameters(file: String, algorithm: SignatureAlgorithm) throws {
        let tally = try tally(file, algorithm, isForeign: true)
        print("\(file) as \(algorithm.rawValue): \(tally)")
        // There the salt was changed to the length that the algorithm wants.
        let own = file == "rsa_pss_2048_sha256_mgf1_0" ? ["69"] : []
        #expect(tally.agreed > 0 && tally.differences == own, "\(tally.differences)")
    }

    @Test("RSA-PSS with any parameters: only those of the algorithm pass", arguments: [("SHA-256", 32, SignatureAlgorithm.ps256), ("SHA-384", 48, .ps384), ("SHA-512", 64, .ps512)])
    func anyParameters(hash: String, salt: Int, algorithm: SignatureAlgorithm) throws {
        func isOwn(_ group: [String: Any]) -> Bool {
            group["sha"] as? String == hash && group["mgf"] as? String == "MGF1" && group["mgfSha"] as? String == hash && group["sLen"] as? Int == salt
        }
        let (own, foreign) = (try tally("rsa_pss_misc", algorithm, where: isOwn), try tally("rsa_pss_misc", algorithm, isForeign: true) { !isOwn($0) })
        print("rsa_pss_misc as \(algorithm.rawValue): own \(own); others \(foreign)")
        #expect(own.differences == [] && foreign.agreed > 0 && foreign.differences == [], "\(own.differences) \(foreign.differences)")
    }

    // MARK: Tokens

    /// A policy under one JSON Web Key, or a set of them, for every algorithm.
    private func policy(_ key: [String: Any], _ bench: AuthenticationBench) throws -> JWT.Compiled? {
        var issuer: JWT.Issuer
        let file = FileManager.default.temporaryDirectory.appending(path: "sluice-wycheproof-\(UUID().uuidString).json")
        // Until the keys are taken over.
        defer { try? FileManager.default.removeItem(at: file) }
        if key["kty"] as? String == "oct" {
            let text = (key["k"] as? String ?? "").replacing("-", with: "+").replacing("_", with: "/")
            let secret = try #require(Data(base64Encoded: text + String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)))
            issuer = JWT.Issuer(key: .secret(Located(value: Secret(bytes: Array(secret)))))
            issuer.namedAlgorithms = Located(value: [.hs256, .hs384, .hs512])
        } else {
            let set = key["keys"] == nil ? ["keys": [key]] : key
            try JSONSerialization.data(withJSONObject: set).write(to: file)
            let location = try #require(KeySetLocation(file.path, resolve: { $0 }))
            issuer = JWT.Issuer(key: .keySet(Located(value: location)))
            issuer.namedAlgorithms = Located(value: JWT.Algorithm.allCases.filter { $0.signature != nil })
        }
        let policy = JWT.compile(JWT.Configuration(issuers: [issuer]), into: bench.snapshot)
        bench.takeOver()
        return policy
    }

    /// Whether the token's form, header and signature are taken; its payload is no set of claims here.
    private func isAccepted(_ token: String, _ policy: JWT.Compiled, _ bench: AuthenticationBench) throws -> Bool {
        let exchange = try bench.exchange("GET /", [])
        let memory = exchange.resource(policy.memorySlot, as: TokenMemory.State.self).pointee
        return Array(token.utf8).withByteView { text in
            guard text.count <= memory.tokenBytesMax, let parts = BearerToken(text), let count = Base64URL.decode(parts.header, into: memory.text),
                let object = ClaimScanner.scan(ByteView(base: memory.text, count: count), memory: memory.scanner),
                let header = TokenHeader(object, algorithms: policy.algorithms), Base64URL.decode(parts.payload, into: memory.text + count) != nil
            else { return false }
            let keys = exchange.resource(policy.issuers[0].slot, as: JWTKeys.State.self).pointee
            if case .right = policy.issuers[0].checkSignature(parts, header, keys) { return true }
            return false
        }
    }

    /// Where we differ, and why. The last three lists are accepted, all others refused.
    private static let known: [(file: String, tests: [Int], reason: String)] = [
        ("json_web_signature", [259, 264, 268, 272, 320, 325], "an empty payload is no set of claims (RFC 7519, 7.2)"),
        ("json_web_signature", [346, 350], "a key for PS256 is not used for PS384 (RFC 7517, 4.4)"),
        ("json_web_signature", [347, 351], "a key for ES521, which is no algorithm (RFC 7518, 3.1), is passed over"),
        ("json_web_signature", [372, 373], "a character that is not in the alphabet is an error (RFC 7515, 2; RFC 4648, 3.3)"),
        ("json_web_crypto", [48], "secrets are not taken from key sets"), ("json_web_key", [2, 13, 14, 15], "secrets are not taken from key sets"),
        ("json_web_signature", [367, 370], "the vectors are about padding and have none: each is a token as RFC 7515 wants it"),
        ("json_web_crypto", [46], "whether a key has the weakness ROCA is not looked for: keys are the operator's"), ("json_web_key", [7], "the same"),
    ]

    @Test("tokens: the form, the header, the key's purpose and the signature", arguments: ["json_web_signature", "json_web_crypto", "json_web_key"])
    func tokens(file: String) throws {
        let bench = try AuthenticationBench()
        var tally = Tally()
        var others = 0
        for group in try groups(file) {
            let key = try #require((group["public"] ?? group["private"]) as? [String: Any])
            let policy = try policy(key, bench)
            for test in tests(group) {
                guard let token = test["jws"] as? String else {
                    others += 1
                    continue
                }
                let name = "\(file) \(test["tcId"] ?? 0) \(group["comment"] ?? "") \(test["comment"] ?? "") \(test["flags"] ?? "")"
                tally.note(name, test["result"] as? String ?? "", isAccepted: try policy.map { try isAccepted(token, $0, bench) } ?? false)
            }
        }
        print("\(file): \(tally); \(others) are no compact tokens")
        for difference in tally.differences { print("  differs: \(difference)") }
        #expect(tally.agreed > 0)
        let known = Self.known.filter { $0.file == file }.flatMap(\.tests)
        #expect(tally.differences.filter { difference in !known.contains { difference.hasPrefix("\(file) \($0) ") } } == [])
        #expect(tally.differences.count == known.count)
    }
}

import SluiceConfiguration
import SluiceCrypto
import SluiceHTTP

extension JWT {
    /// Makes a token that an issuer's rules accept, for the command line and for tests. Allocates.
    struct TokenSigner {
        struct Fault: Error, Equatable, CustomStringConvertible {
            let description: String
        }

        /// Seconds that a token is valid unless the caller gives `exp`.
        static let lifetimeSeconds: Int64 = 300

        let issuer: Issuer

        /// A token with the claims that the policy asks for, valid from `now` for 300 s, and the caller's own.
        ///
        /// - Parameters:
        ///   - claims: names and values; they replace what the policy asks for. A value that is JSON other than bare text (a number,
        ///     `true`, a quoted string, an array, an object) is taken as such, any other as text.
        ///   - now: seconds since the Unix epoch.
        ///   - privateKey: PEM text; for policies with public keys only, and required there.
        ///   - keyID: `kid` of the header; without it the token is tried against the first keys of a set.
        func token(
            claims: [(name: String, value: String)] = [], now: Int64, privateKey: [UInt8]? = nil, keyID: String? = nil
        ) throws(Fault) -> String {
            var members = Members()
            for (name, json) in askedFor(now: now) { members.set(Self.path(name), json) }
            for claim in claims { members.set(Self.path(claim.name), Self.isJSON(claim.value) ? claim.value : Self.quoted(claim.value)) }
            let payload = members.json
            let key = try readKey(privateKey)
            let algorithm = try algorithm(for: key)
            let kid = keyID.map { ",\"kid\":\(Self.quoted($0))" } ?? ""
            let header = "{\"alg\":\"\(algorithm.rawValue)\",\"typ\":\"JWT\"\(kid)}"
            let input = Self.encoded(Array(header.utf8)) + "." + Self.encoded(Array(payload.utf8))
            return input + "." + Self.encoded(try signature(of: Array(input.utf8), key, algorithm))
        }

        /// A name with dots is the way into objects, as `ClaimPath` reads it of a token without a claim of that name; one that is a URL is not.
        private static func path(_ name: String) -> [String] {
            name.contains("://") ? [name] : name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        }

        /// Claims in the order in which they were set last, some of them objects.
        private struct Members {
            private indirect enum Value {
                case json(String)
                case members(Members)
            }

            private var list: [(name: String, value: Value)] = []

            mutating func set(_ path: [String], _ json: String) {
                let name = path[0]
                var value = Value.json(json)
                if path.count > 1 {
                    var inner = Members()
                    if case .members(let known)? = list.first(where: { $0.name == name })?.value { inner = known }
                    inner.set(Array(path.dropFirst()), json)
                    value = .members(inner)
                }
                list.removeAll { $0.name == name }
                list.append((name, value))
            }

            var json: String {
                "{" + list.map { member in
                    switch member.value {
                    case .json(let json): "\(TokenSigner.quoted(member.name)):\(json)"
                    case .members(let members): "\(TokenSigner.quoted(member.name)):\(members.json)"
                    }
                }.joined(separator: ",") + "}"
            }
        }

        private func askedFor(now: Int64) -> [(String, String)] {
            var members = [("iat", String(now)), ("exp", String(now + Self.lifetimeSeconds))]
            if let issuer = issuer.name { members.append(("iss", Self.quoted(issuer))) }
            if let audience = issuer.audience.first { members.append(("aud", Self.quoted(audience))) }
            var wanted: [(name: String, values: [String])] = []
            for condition in issuer.conditions {
                // Several conditions on one claim are met together by an array.
                let value = condition.values.first.map(Self.json)
                if let index = wanted.firstIndex(where: { $0.name == condition.name }) {
                    wanted[index].values += value.map { [$0] } ?? []
                } else {
                    wanted.append((condition.name, value.map { [$0] } ?? []))
                }
            }
            for (name, values) in wanted where !["iat", "exp", "iss", "aud"].contains(name) || !values.isEmpty {
                members.append((name, values.count == 1 ? values[0] : values.isEmpty ? "true" : "[\(values.joined(separator: ","))]"))
            }
            return members
        }

        private func readKey(_ pem: [UInt8]?) throws(Fault) -> PrivateKey? {
            if case .secret = issuer.key { return nil }
            do throws(CryptoError) {
                guard let pem else { throw CryptoError("\(Quoting.alternatives(issuer.algorithms().map(\.rawValue))) needs a private key") }
                return try pem.withByteView { pem throws(CryptoError) in try PrivateKey(pem: pem) }
            } catch {
                throw Fault(description: error.message)
            }
        }

        /// The first that the policy accepts and the key can be used with.
        private func algorithm(for key: PrivateKey?) throws(Fault) -> Algorithm {
            var kind: PublicKey.Kind?
            if case .publicKey = issuer.key { kind = key?.kind }
            let accepted = issuer.algorithms(for: kind)
            guard let key else { return accepted.first ?? .hs256 }
            guard let algorithm = accepted.first(where: { $0.signature?.fits(key.kind) == true }) else {
                throw Fault(description: "the policy accepts \(Quoting.alternatives(accepted.map(\.rawValue))), which the private key cannot be used with")
            }
            return algorithm
        }

        private func signature(of input: [UInt8], _ key: PrivateKey?, _ algorithm: Algorithm) throws(Fault) -> [UInt8] {
            do throws(CryptoError) {
                if let key { return try input.withByteView { message throws(CryptoError) in try key.sign(message, algorithm.signature) } }
                guard case .secret(let secret) = issuer.key else { return [] }
                switch algorithm {
                case .hs384: return try Self.code(.sha384, secret.value, of: input)
                case .hs512: return try Self.code(.sha512, secret.value, of: input)
                default: return try HMACKeys.code(.sha256, secret.value, of: input)
                }
            } catch {
                throw Fault(description: error.message)
            }
        }

        private static func code(_ function: MessageCode.Function, _ secret: Secret, of input: [UInt8]) throws(CryptoError) -> [UInt8] {
            var code = [UInt8](repeating: 0, count: MessageCode.byteCountMax)
            let isWritten = secret.bytes.withByteView { key in
                input.withByteView { input in
                    code.withUnsafeMutableBufferPointer { MessageCode.write(function, key: key, of: input, into: $0.baseAddress.unsafelyUnwrapped) }
                }
            }
            guard isWritten else { throw CryptoError("the code cannot be made") }
            return Array(code.prefix(function.byteCount))
        }

        // MARK: - Text

        private static func encoded(_ bytes: [UInt8]) -> String {
            String(unsafeUninitializedCapacity: Base64URL.encodedCount(bytes.count) + 3) { text in
                bytes.withByteView { Base64URL.encode($0, into: text.baseAddress.unsafelyUnwrapped) }
            }
        }

        private static func json(_ value: ClaimValue) -> String {
            switch value {
            case .text(let text): quoted(text)
            case .integer(let integer): String(integer)
            case .number(let number): String(number)
            case .boolean(let boolean): String(boolean)
            }
        }

        fileprivate static func quoted(_ text: String) -> String {
            var json = "\""
            for scalar in text.unicodeScalars {
                switch scalar {
                case "\"", "\\":
                    json += "\\"
                    json.unicodeScalars.append(scalar)
                case _ where scalar.value < 0x20:
                    let digits = String(scalar.value, radix: 16)
                    json += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                default:
                    json.unicodeScalars.append(scalar)
                }
            }
            return json + "\""
        }

        /// Whether the text is one JSON value: whether it can be a member's.
        private static func isJSON(_ text: String) -> Bool {
            let object = Array("{\"v\":\(text)}".utf8)
            let memory = ClaimScanner.Memory.allocate(textBytesMax: object.count)
            defer { memory.deallocate() }
            return object.withByteView { view in
                ClaimScanner.scan(view, memory: memory)?.count == 1
            }
        }
    }
}

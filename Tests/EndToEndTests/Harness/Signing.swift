import Foundation

/// Credentials as a client program makes them, by the `openssl` program.
enum Signing {
    static func epoch() -> Int { Int(Date().timeIntervalSince1970) }

    /// `yyyy-MM-dd'T'HH:mm:ss` in a zone `offset` away from UTC, `seconds` from now.
    static func timestamp(_ seconds: Double = 0, zone: String = "Z", zoneSeconds: Double = 0) -> String {
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.timeZone = TimeZone(identifier: "UTC")
        formatter.dateFormat = "yyyy-MM-dd'T'HH:mm:ss"
        return formatter.string(from: Date(timeIntervalSinceNow: seconds + zoneSeconds)) + zone
    }

    /// The two lines of the compact form.
    static func compact(
        _ method: String, _ target: String, secret: String, at timestamp: String = timestamp(), algorithm: String = "sha256"
    ) throws -> [String] {
        let mac = try OpenSSL.hmac(algorithm, key: secret, "\(method)\n\(target)\n\(timestamp)")
        return ["X-TC-Timestamp: \(timestamp)", "Authorization: \(OpenSSL.base64(mac))"]
    }

    /// The `Authorization` value of the named form. `lines` are the `name:value` lines of the headers that are present.
    static func named(
        _ method: String, _ target: String, secret: String, at timestamp: String, algorithm: String = "HmacSHA256",
        headers: String, lines: [String]
    ) throws -> String {
        let text = ([method, target, timestamp] + lines).joined(separator: "\n")
        let mac = try OpenSSL.hmac(algorithm == "HmacSHA1" ? "sha1" : "sha256", key: secret, text)
        return "Authorization: hmac algorithm=\"\(algorithm)\", headers=\"\(headers)\", signature=\"\(OpenSSL.base64(mac))\""
    }

    /// A compact JWS under a secret.
    static func hs256(_ payload: String, secret: String, header: String = #"{"alg":"HS256","typ":"JWT"}"#) throws -> String {
        let input = OpenSSL.base64url([UInt8](header.utf8)) + "." + OpenSSL.base64url([UInt8](payload.utf8))
        return input + "." + OpenSSL.base64url(try OpenSSL.hmac(key: secret, input))
    }

    /// A compact JWS under an RSA private key.
    static func rs256(_ payload: String, privateKey: String, kid: String? = nil) throws -> String {
        let header = kid.map { #"{"alg":"RS256","typ":"JWT","kid":"\#($0)"}"# } ?? #"{"alg":"RS256","typ":"JWT"}"#
        let input = OpenSSL.base64url([UInt8](header.utf8)) + "." + OpenSSL.base64url([UInt8](payload.utf8))
        return input + "." + OpenSSL.base64url(try OpenSSL.sign(input, privateKey: privateKey))
    }

    /// A JWKS document of RSA keys.
    static func jwks(_ keys: [(kid: String, privateKey: String)]) throws -> String {
        let entries = try keys.map { key in
            #"{"kty":"RSA","alg":"RS256","use":"sig","kid":"\#(key.kid)","e":"AQAB","n":"\#(try OpenSSL.modulus(of: key.privateKey))"}"#
        }
        return #"{"keys":[\#(entries.joined(separator: ","))]}"#
    }
}

import Foundation

/// Keys, signatures and certificates made by the `openssl` program: an independent second implementation.
enum OpenSSL {
    /// The MAC of `text` under `key`, in bytes.
    static func hmac(_ algorithm: String = "sha256", key: String, _ text: String) throws -> [UInt8] {
        let folder = try Folder()
        try run(["dgst", "-\(algorithm)", "-mac", "HMAC", "-macopt", "hexkey:\(hex(key))", "-binary", "-out", folder.file("mac")], input: text)
        return try bytes(folder.file("mac"))
    }

    /// A fresh RSA private key in PEM form.
    static func rsaKey(bits: Int = 2048) throws -> String {
        try run(["genrsa", "\(bits)"]).output
    }

    static func publicKey(of privateKey: String) throws -> String {
        try run(["rsa", "-pubout"], input: privateKey).output
    }

    /// The modulus as JWKS writes it.
    static func modulus(of privateKey: String) throws -> String {
        let text = try run(["rsa", "-noout", "-modulus"], input: privateKey).output
        let digits = text.replacingOccurrences(of: "Modulus=", with: "").filter { $0.isHexDigit }
        var bytes: [UInt8] = []
        var rest = digits[...]
        while let byte = UInt8(rest.prefix(2), radix: 16) {
            bytes.append(byte)
            rest = rest.dropFirst(2)
            if rest.count < 2 { break }
        }
        return base64url(bytes)
    }

    /// An RSASSA-PKCS1-v1_5 signature with SHA-256.
    static func sign(_ text: String, privateKey: String) throws -> [UInt8] {
        let folder = try Folder()
        try folder.write("key.pem", privateKey)
        try run(["dgst", "-sha256", "-sign", folder.file("key.pem"), "-out", folder.file("signature")], input: text)
        return try bytes(folder.file("signature"))
    }

    /// A private authority in `ca.pem`, `ca.key`.
    static func authority(in folder: Folder) throws {
        try run([
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=Sluice test authority",
            "-keyout", folder.file("ca.key"), "-out", folder.file("ca.pem"),
        ])
    }

    /// A certificate of that authority for DNS names and addresses, in `NAME.pem`, `NAME.key`.
    /// - Parameters:
    ///   - key: what `openssl req` makes the key by.
    ///   - days: until it expires; negative if it has.
    static func certificate(
        _ name: String, for names: [String], in folder: Folder, key: [String] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
        days: Int = 2
    ) throws {
        let alternatives = names.map { ($0.allSatisfy { $0.isNumber || $0 == "." } ? "IP:" : "DNS:") + $0 }.joined(separator: ",")
        try run([
            "req"] + key + ["-nodes", "-subj", "/CN=\(names[0])", "-keyout", folder.file(name + ".key"), "-out", folder.file(name + ".csr"),
        ])
        try folder.write(name + ".ext", "subjectAltName=\(alternatives)\nbasicConstraints=CA:FALSE\n")
        try run([
            "x509", "-req", "-in", folder.file(name + ".csr"), "-CA", folder.file("ca.pem"), "-CAkey", folder.file("ca.key"),
            "-CAcreateserial", "-days", "\(days)", "-sha256", "-extfile", folder.file(name + ".ext"), "-out", folder.file(name + ".pem"),
        ])
    }

    /// A certificate of that authority for a client, in `NAME.pem`, `NAME.key`.
    /// - Parameters:
    ///   - subject: as `openssl req -subj` takes it.
    ///   - alternatives: such as `DNS:a.test,URI:spiffe://td/a`; empty for none.
    ///   - issuer: whose `.pem` and `.key` sign it.
    ///   - isAuthority: whether it may sign others.
    static func clientCertificate(
        _ name: String, subject: String, alternatives: String = "", in folder: Folder, days: Int = 2, by issuer: String = "ca", isAuthority: Bool = false
    ) throws {
        try run([
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-utf8", "-subj", subject, "-keyout", folder.file(name + ".key"),
            "-out", folder.file(name + ".csr"),
        ])
        let names = alternatives.isEmpty ? "" : "subjectAltName=\(alternatives)\n"
        try folder.write(name + ".ext", names + "basicConstraints=CA:\(isAuthority ? "TRUE" : "FALSE")\n")
        try run([
            "x509", "-req", "-in", folder.file(name + ".csr"), "-CA", folder.file(issuer + ".pem"), "-CAkey", folder.file(issuer + ".key"),
            "-CAcreateserial", "-days", "\(days)", "-sha256", "-extfile", folder.file(name + ".ext"), "-out", folder.file(name + ".pem"),
        ])
    }

    /// A list of revoked certificates of that authority, in `crl.pem`. Lists of a folder add up.
    /// - Parameter seconds: for how long it is the newest.
    static func revocationList(of names: [String], in folder: Folder, seconds: Int = 86_400) throws {
        if folder.read("index.txt").isEmpty { try folder.write("index.txt", "") }
        try folder.write("lists.cnf", """
            [ca]
            default_ca = lists
            [lists]
            database = \(folder.file("index.txt"))
            default_md = sha256
            """)
        let authority = ["-config", folder.file("lists.cnf"), "-keyfile", folder.file("ca.key"), "-cert", folder.file("ca.pem")]
        for name in names { try run(["ca"] + authority + ["-revoke", folder.file(name + ".pem")]) }
        try run(["ca"] + authority + ["-gencrl", "-crlsec", "\(seconds)", "-out", folder.file("crl.pem")])
    }

    static func base64url(_ bytes: [UInt8]) -> String {
        Data(bytes).base64EncodedString().replacingOccurrences(of: "+", with: "-").replacingOccurrences(of: "/", with: "_")
            .replacingOccurrences(of: "=", with: "")
    }

    static func base64(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }

    @discardableResult
    private static func run(_ arguments: [String], input: String = "") throws -> CommandResult {
        let result = try command(["openssl"] + arguments, input: [UInt8](input.utf8))
        guard result.code == 0 else { throw HarnessError("openssl \(arguments[0]) ended with \(result.code): \(result.errors)") }
        return result
    }

    private static func hex(_ text: String) -> String { text.utf8.map { String(format: "%02x", $0) }.joined() }

    private static func bytes(_ path: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(fileURLWithPath: path))) }
}

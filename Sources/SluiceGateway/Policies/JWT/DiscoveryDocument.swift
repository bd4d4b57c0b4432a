import SluiceClient
import SluiceConfiguration
import SluiceHTTP

/// What an issuer says of itself (OpenID Connect Discovery 1.0, 3; RFC 8414, 2), as far as a gateway needs it: where its key set is.
struct DiscoveryDocument {
    let keySet: HTTPTarget

    /// - Throws: where the text is no such document, is another issuer's (4.3), or names a place that no key set is fetched from.
    init(_ text: [UInt8], of issuer: KeySetLocation.Issuer) throws(KeySet.Fault) {
        let memory = ClaimScanner.Memory.allocate(textBytesMax: text.count)
        defer { memory.deallocate() }
        let said = text.withByteView { view -> (issuer: String?, keySet: String?)? in
            guard let document = ClaimScanner.scan(view, memory: memory) else { return nil }
            func member(_ name: StaticString) -> String? {
                document.value(of: ByteView(name))?.string.map { String(decoding: KeySet.bytes($0), as: UTF8.self) }
            }
            return (member("issuer"), member("jwks_uri"))
        }
        guard let said else { throw KeySet.Fault(description: "a discovery document that is not a JSON object") }
        // Byte by byte: to Swift, two spellings of one character are equal.
        guard let name = said.issuer, Array(name.utf8) == Array(issuer.name.utf8) else {
            let found = said.issuer.map { Quoting.quoted($0) } ?? "none"
            throw KeySet.Fault(
                description: "a discovery document of another issuer (\(found) instead of \(Quoting.quoted(issuer.name))), whose keys are not taken")
        }
        guard let uri = said.keySet else { throw KeySet.Fault(description: "a discovery document without jwks_uri") }
        guard let target = HTTPTarget(uri) else {
            throw KeySet.Fault(description: "a discovery document whose jwks_uri is not an http or https URL (\(Quoting.quotedURL(uri)))")
        }
        guard target.isSecure || !issuer.document.isSecure else {
            throw KeySet.Fault(description: "a discovery document whose jwks_uri has no TLS although the issuer has (\(Quoting.quotedURL(uri)))")
        }
        keySet = target
    }
}

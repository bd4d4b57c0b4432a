import SluiceCrypto
import SluiceHTTP

/// What one connection's handshake has told of its client, on a listener that asks for certificates.
///
/// Made once for each connection, in memory of its own that goes with the connection; its exchanges refer to it. What is sent of it to services is written
/// out here, so that a request copies it and computes nothing.
struct ClientCertificate: BitwiseCopyable {
    /// How the client stands at the moment at which a request asks.
    enum Standing {
        /// It has shown no certificate.
        case none
        case accepted
        /// It has shown one that is not taken any more.
        case refused
        /// What it would show today is not known: another connection would tell.
        case unknown
    }

    struct Name: BitwiseCopyable {
        let kind: ClientCertificateFacts.Name.Kind
        let text: ByteView
    }

    /// Bytes of the lines that services get, both together.
    static let linesBytesMax = 24 * 1024

    /// The name that the client has asked for in its handshake, as it was sent; empty for none.
    let serverName: ByteView
    /// In the form of `DistinguishedName`.
    let subject: ByteView
    /// SHA-256 of the certificate, in lower case hexadecimal; empty without a certificate.
    let fingerprint: ByteView
    private let names: UnsafeBufferPointer<Name>
    /// X-Forwarded-Client-Cert and Client-Cert with its CRLF each; empty without a certificate.
    let forwardedLine: ByteView
    let certificateLine: ByteView
    /// Nil where there is no connection.
    private let session: TLSSession?
    private var state: State
    /// The last second, since 1970, in which the verdict holds.
    private var validUntil: Int64
    /// Who has to judge before the next request, because a reload has changed who is let in; nil if the verdict stands. As long as the listener's own.
    private var judge: TLSServerContext.Handle?

    /// Whether the listener wants one of everybody, whatever the domain.
    var isRequired = false

    private enum State {
        case absent, accepted, refused, unknown
    }

    var isPresent: Bool { !fingerprint.isEmpty }

    /// Names beside the subject.
    var count: Int { names.count }
    subscript(index: Int) -> Name { names[index] }

    // MARK: From the first to the last

    /// A client that has shown a certificate, or none (`facts` is nil). Nil if what services would get of it is too large.
    static func make(serverName: [UInt8], _ facts: ClientCertificateFacts?, session: TLSSession?) -> UnsafeMutablePointer<ClientCertificate>? {
        guard let facts else {
            return allocate([serverName], names: []) { views, names in
                ClientCertificate(
                    serverName: views[0], subject: .empty, fingerprint: .empty, names: names, forwardedLine: .empty, certificateLine: .empty, session: session,
                    state: .absent, validUntil: .max, judge: nil)
            }
        }
        let forwarded = ForwardedCertificate.forwardedLine(facts)
        let certificate = ForwardedCertificate.certificateLine(facts)
        guard forwarded.count + certificate.count <= linesBytesMax else { return nil }
        return allocate([serverName, facts.subject, facts.fingerprint, forwarded, certificate], names: facts.names) { views, names in
            ClientCertificate(
                serverName: views[0], subject: views[1], fingerprint: views[2], names: names, forwardedLine: views[3], certificateLine: views[4],
                session: session, state: .accepted, validUntil: facts.validUntil, judge: nil)
        }
    }

    /// One piece of memory for all.
    private static func allocate(
        _ texts: [[UInt8]], names: [ClientCertificateFacts.Name], _ make: ([ByteView], UnsafeBufferPointer<Name>) -> ClientCertificate
    ) -> UnsafeMutablePointer<ClientCertificate> {
        let namesOffset = (MemoryLayout<ClientCertificate>.stride + 15) & ~15
        let textOffset = namesOffset + MemoryLayout<Name>.stride * names.count
        let byteCount = texts.reduce(0) { $0 + $1.count } + names.reduce(0) { $0 + $1.text.count }
        let memory = UnsafeMutableRawPointer.allocate(byteCount: textOffset + byteCount, alignment: 16)
        let text = (memory + textOffset).assumingMemoryBound(to: UInt8.self)
        var used = 0
        func store(_ bytes: [UInt8]) -> ByteView {
            guard !bytes.isEmpty else { return .empty }
            (text + used).update(from: bytes, count: bytes.count)
            defer { used += bytes.count }
            return ByteView(base: text + used, count: bytes.count)
        }
        let views = texts.map(store)
        let slots = (memory + namesOffset).bindMemory(to: Name.self, capacity: max(1, names.count))
        for (index, name) in names.enumerated() { (slots + index).initialize(to: Name(kind: name.kind, text: store(name.text))) }
        let place = memory.bindMemory(to: ClientCertificate.self, capacity: 1)
        place.initialize(to: make(views, UnsafeBufferPointer(start: slots, count: names.count)))
        return place
    }

    static func free(_ place: UnsafeMutablePointer<ClientCertificate>) { UnsafeMutableRawPointer(place).deallocate() }

    // MARK: Reloads

    /// The listener lets others in from now on: the next request has the client judged again.
    ///
    /// - Parameter server: nil if nobody is asked any more: then nobody has a certificate.
    mutating func reconsider(by server: TLSServerContext.Handle?) {
        guard let server else {
            state = .absent
            judge = nil
            return
        }
        switch state {
        // It was asked by others for another one, or not at all.
        case .absent, .unknown: state = .unknown
        case .accepted, .refused: judge = server
        }
    }

    /// Nobody looks after its listener any more, which is gone from the configuration: the client is to be asked on a new connection.
    mutating func forget() {
        state = .unknown
        judge = nil
    }

    /// A reload has replaced what the listener judges by, and not who is let in: a judgement that is still to come is by the new one.
    mutating func move(to server: TLSServerContext.Handle?) {
        if judge != nil { reconsider(by: server) }
    }

    // MARK: Requests

    /// - Parameter now: seconds since 1970.
    mutating func standing(at now: Int64) -> Standing {
        if judge != nil { judgeAgain() }
        switch state {
        case .absent: return .none
        case .accepted: return now <= validUntil ? .accepted : .refused
        case .refused: return .refused
        case .unknown: return .unknown
        }
    }

    /// Why no request of the connection is served any more, whatever its domain: nil if the listener lets in clients without a certificate, or this one.
    mutating func refusalByListener(at now: Int64) -> Refusal? {
        guard isRequired else { return nil }
        switch standing(at: now) {
        case .accepted: return nil
        case .refused: return .certificateOver
        case .none, .unknown: return .misdirected
        }
    }

    /// Whether the certificate of the connection is good for nothing any more, so that only another handshake helps. By what `standing` has found.
    func isOver(at now: Int64) -> Bool {
        switch state {
        case .absent: false
        case .accepted: now > validUntil
        case .refused, .unknown: true
        }
    }

    /// Costs what the verification in a handshake costs, once for a connection and reload.
    private mutating func judgeAgain() {
        guard let server = judge, let session else { return }
        judge = nil
        switch session.verifyClient(by: server) {
        case .success(let end):
            state = .accepted
            validUntil = end
        // Perhaps it was only its chain that is not at hand: a session that was resumed has none.
        case .failure(.unknownIssuer) where session.isResumed: state = .unknown
        case .failure: state = .refused
        }
    }
}

/// What services are told of a client's certificate.
enum ForwardedCertificate {
    /// X-Forwarded-Client-Cert in Envoy's form, with its CRLF: Hash, Subject, URI and DNS.
    ///
    /// A value in quotation marks has each backslash doubled, as quoted strings have it (RFC 9110, 5.6.4), and the subject has no quotation mark (see
    /// `DistinguishedName`): a reader that knows of escapes and one that does not find the same end of each value.
    static func forwardedLine(_ facts: ClientCertificateFacts) -> [UInt8] {
        var line = Array("X-Forwarded-Client-Cert: Hash=".utf8) + facts.fingerprint
        line += Array(";Subject=\"".utf8) + facts.subject.flatMap { $0 == UInt8(ascii: "\\") ? [$0, $0] : [$0] } + [UInt8(ascii: "\"")]
        for (kind, label) in [(ClientCertificateFacts.Name.Kind.uri, ";URI="), (.dns, ";DNS=")] {
            for name in facts.names where name.kind == kind {
                line += Array(label.utf8)
                line += name.text.contains(where: ",;=".utf8.contains) ? [UInt8(ascii: "\"")] + name.text + [UInt8(ascii: "\"")] : name.text
            }
        }
        return line + Array("\r\n".utf8)
    }

    /// Client-Cert (RFC 9440, 2.2), with its CRLF.
    static func certificateLine(_ facts: ClientCertificateFacts) -> [UInt8] {
        Array("Client-Cert: :".utf8) + base64(facts.encoding) + Array(":\r\n".utf8)
    }

    private static func base64(_ bytes: [UInt8]) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: Base64.encodedCount(bytes.count)) { text, count in
            bytes.withUnsafeBufferPointer { input in
                guard let base = input.baseAddress, let out = text.baseAddress else { return }
                count = Base64.encode(ByteView(base: base, count: input.count), into: out)
            }
        }
    }
}

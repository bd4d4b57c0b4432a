import SluiceHTTP

/// A domain's own responses to errors, by their types.
struct OwnResponses: BitwiseCopyable {
    private var responses = InlineArray<14, UnsafePointer<OwnResponse>?>(repeating: nil)

    /// Nil where the type has none.
    subscript(type: ResponseType) -> UnsafePointer<OwnResponse>? { responses[Int(type.rawValue)] }

    /// Nil where there are none.
    static func compile(_ configuration: ResponsesConfiguration, _ family: ErrorFamily, into arena: Arena) -> UnsafePointer<OwnResponses>? {
        guard !configuration.responses.isEmpty else { return nil }
        var compiled = OwnResponses()
        for (type, response) in configuration.responses {
            compiled.responses[Int(type.rawValue)] = arena.store(OwnResponse(response.keptByNobody(type), family, into: arena))
        }
        return arena.store(compiled)
    }
}

/// One of them.
struct OwnResponse: BitwiseCopyable {
    struct Header: BitwiseCopyable {
        /// With the colon and the space behind it.
        let name: ByteView
        let value: CompiledTemplate
    }

    struct Body: BitwiseCopyable {
        let contentType: ByteView
        let template: CompiledTemplate
        /// The whole body, where the template has no variable.
        let stored: UnsafePointer<StoredResponse>?
    }

    /// Bytes that the values of variables may take in a body, and in all headers together; a template's own text is bounded where it is read.
    static let bodyValueBytesMax = 16 * 1024
    static let headerValueBytesMax = 8 * 1024
    /// Bytes of a body with variables. What the gateway makes itself, such as the address, is not counted among the values: at most 64 bytes for each.
    static let bodyBytesMax = ResponsesConfiguration.templateBytesMax + bodyValueBytesMax + 64 * ResponseTemplate.variablesMax

    /// 0: the status of the error.
    let status: UInt16
    let headers: ArenaSlice<Header>
    /// Bytes of values for each header that has variables.
    let headerValuePart: Int
    /// Fields of the error that are not sent, because `headers` has them. Vary is none: what it says is added.
    let replaced: FieldNames
    /// Empty: the body is that of the domain's `errors`.
    let bodies: ArenaSlice<Body>
    let types: ArenaSlice<CompiledMediaType>

    init(_ configuration: ResponsesConfiguration.Response, _ family: ErrorFamily, into arena: Arena) {
        status = configuration.status ?? 0
        headers = arena.store(configuration.headers.map { Header(name: arena.bytes("\($0.name): "), value: CompiledTemplate($0.value, .header, into: arena)) })
        headerValuePart = Self.headerValueBytesMax / max(1, configuration.headers.count { $0.value.hasVariables })
        replaced = FieldNames(configuration.headers.map(\.name).filter { $0.asciiLowercased != "vary" }, into: arena)
        var bodies = configuration.bodies
        if bodies.isEmpty, family == .problem, let status = configuration.status, StoredResponse.allowsBody(status) { bodies = [Self.problem(status)] }
        self.bodies = arena.store(bodies.map { body in
            let template = CompiledTemplate(body.template, TemplateEscaping(body.type), into: arena)
            guard !body.template.hasVariables else { return Body(contentType: arena.bytes(body.contentType), template: template, stored: nil) }
            let bytes = template.pieces.isEmpty ? ByteView.empty : template.pieces[0].text
            let stored = arena.store(StoredResponse(status: configuration.status ?? 0, head: .empty, body: bytes, isAmended: true))
            return Body(contentType: arena.bytes(body.contentType), template: template, stored: stored)
        })
        types = arena.store(bodies.map { CompiledMediaType($0.type, into: arena) })
    }

    /// Problem details tell of the status that they come with (RFC 9457, 3.1.3).
    private static func problem(_ status: UInt16) -> ResponsesConfiguration.Body {
        func variable(_ variable: TemplateVariable) -> ResponseTemplate.Piece { .variable(variable, name: "", source: "", isQuiet: true) }
        let template = ResponseTemplate(pieces: [
            .text(#"{"type":"about:blank","title":"\#(ReasonPhrase.standard(for: status))","status":\#(status),"detail":""#), variable(.resultMessage),
            .text(#"","code":"#), variable(.resultCode), .text(#","error":""#), variable(.refusal), .text(#""}"#),
        ])
        let type = "application/problem+json"
        return .init(contentType: type, type: MediaType(type).unsafelyUnwrapped, template: template, byteCount: 0)
    }
}

extension ResponsesConfiguration.Response {
    /// Statuses of responses that caches may keep without being told to (RFC 9110, 15.1).
    private static let keptStatuses: Set<UInt16> = [200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501]

    /// With a field against that, unless there is one of the operator's: an error is one request's, and a cache would answer others with it, also those that
    /// come with credentials.
    func keptByNobody(_ type: ResponseType) -> Self {
        guard Self.keptStatuses.contains(status ?? (type == .notFound ? 404 : 0)), !headers.contains(where: { $0.name.asciiLowercased == "cache-control" }),
            let value = try? ResponseTemplate("no-store")
        else { return self }
        var response = self
        response.headers.append(.init(name: "Cache-Control", value: value))
        return response
    }
}

import SluiceHTTP

/// Whose a response is, and which part of it: what decides which of the exchange's policies hold for it.
enum ResponseKind: UInt8 {
    /// The service's final response, and the trailers behind its body.
    case service
    /// 1xx but 101: something said ahead of the final response.
    case interim
    /// 101, which is the last head of the exchange.
    case upgrade
    /// The pre-call API's response, passed on as the client's answer. The endpoint's changes are for its service.
    case preCall
    /// An error, a notice or a mock; the endpoint's changes to a mock stand in it already (`StoredResponse.amended`).
    case own
    /// The answer to a preflight, which holds its CORS fields already.
    case preflight
}

/// The policies of an exchange that concern the fields of one response.
///
/// | | service | interim | upgrade | pre-call | own | preflight |
/// |---|---|---|---|---|---|---|
/// | the endpoint's `headers.response`: what it removes or sets does not pass | yes | yes | yes | - | - | - |
/// | what it sets is added | yes | - | yes | - | - | - |
/// | the domain's CORS: others' `Access-Control-` fields do not pass | yes | yes | yes | yes | - | - |
/// | its fields are added | yes | - | yes | yes | yes | - |
///
/// To interim responses and to trailers nothing is added: what is set is said once, in the head that the client acts upon, and browsers
/// read CORS fields nowhere else (Fetch, "CORS check").
struct ResponsePolicies {
    let kind: ResponseKind
    /// Nil where the endpoint has none, or none that hold here.
    let changes: UnsafePointer<HeaderChanges.Compiled>?
    let cors: UnsafePointer<CORS.Compiled>?

    @inline(__always)
    init(_ block: ExchangeRef, _ kind: ResponseKind) {
        self.kind = kind
        switch kind {
        case .service, .interim, .upgrade: changes = block.pointee.exchange.endpoint?.pointee.headers
        case .preCall, .own, .preflight: changes = nil
        }
        cors = block.pointee.exchange.domain?.pointee.cors
    }

    /// False where every end-to-end field passes: the common case costs one test.
    @inline(__always)
    var isSelective: Bool { changes != nil || cors != nil }

    /// Whether this line of a head, or of a trailer section, does not pass.
    @inline(__always)
    func drops(_ slot: FieldSlot, in bytes: ByteView) -> Bool {
        if let changes, changes.pointee.response.drops(slot, in: bytes) { return true }
        return cors != nil && CORS.removes(bytes[slot.name])
    }

    /// Whether the gateway does not add this field of its own accord, because the endpoint sets or removes it.
    @inline(__always)
    func drops(_ field: KnownField) -> Bool { changes?.pointee.response.drops(field) ?? false }
}

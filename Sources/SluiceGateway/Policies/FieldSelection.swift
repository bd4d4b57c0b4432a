import SluiceHTTP

/// Which of a client's fields are sent on.
///
/// Most is decided by a line's kind, one bit each; names are looked at where an endpoint makes some special, and where unusual ones pass.
struct FieldSelection {
    /// What says where a request came from, and is believed of trusted proxies only.
    static var ofProxies: UInt64 {
        KnownField.forwarded.bit | KnownField.xRealIP.bit | KnownField.saidByProxies.bit | forwarding
    }

    /// What the gateway asserts of it.
    static var forwarding: UInt64 {
        KnownField.xForwardedFor.bit | KnownField.xForwardedProto.bit | KnownField.xForwardedHost.bit | KnownField.xForwardedPort.bit
            | KnownField.xForwardedPrefix.bit
    }

    /// The kinds of an exchange that do not go to another server in any form: for whoever tells questions apart by what is sent.
    @inline(__always)
    static func withheld(peerIsTrusted: Bool, _ context: UnsafeMutablePointer<EvaluationContext>) -> UInt64 {
        HopByHopFields.notSent | context.pointee.withheldKinds | (peerIsTrusted ? 0 : ofProxies)
    }

    /// The kinds of lines that are left out whatever their names.
    let dropped: UInt64
    /// False where every line of another kind passes: the common case costs one test.
    let isSelective: Bool
    private let fields: UnsafePointer<EndpointFields>?
    private let isPreCall: Bool
    private let passesUnusual: Bool
    private let memory: UnsafeMutablePointer<UInt8>
    private let memoryCapacity: Int

    /// - Parameter notWritten: the kinds that a gateway writes anew and this one is told not to; a client's own pass.
    @inline(__always)
    init(_ exchange: UnsafePointer<Exchange>, isPreCall: Bool, notWritten: UInt64 = 0) {
        let context = exchange.pointee.context
        let fields = exchange.pointee.fields
        self.fields = fields
        self.isPreCall = isPreCall
        var dropped = Self.withheld(peerIsTrusted: exchange.pointee.peerIsTrusted, context) | Self.forwarding
            | (KnownField.xRequestID.bit | KnownField.traceparent.bit | KnownField.via.bit) & ~notWritten
        let passesUnusual = context.pointee.withheldKinds == 0
        // The endpoint's changes are for its upstream; a pre-call API gets what the client sent.
        if let fields { dropped |= isPreCall ? fields.pointee.knownClaims : fields.pointee.knownOwn }
        self.dropped = dropped
        self.passesUnusual = passesUnusual
        let hasUnusual = passesUnusual && exchange.pointee.head.fields.present & KnownField.unusual.bit != 0
        isSelective = fields != nil || hasUnusual || isPreCall
        memory = context.pointee.scratch
        memoryCapacity = context.pointee.scratchCapacity
    }

    /// For who tells the questions of pre-calls apart: what is written anew, such as X-Forwarded-For of a trusted proxy, is among them as it came.
    init(preCallOf exchange: borrowing Exchange) {
        let context = exchange.context
        fields = exchange.fields
        isPreCall = true
        dropped = Self.withheld(peerIsTrusted: exchange.peerIsTrusted, context) | (fields?.pointee.knownClaims ?? 0)
            | (exchange.validTraceparent == nil ? KnownField.tracestate.bit : 0)
        passesUnusual = context.pointee.withheldKinds == 0
        isSelective = true
        memory = context.pointee.scratch
        memoryCapacity = context.pointee.scratchCapacity
    }

    /// Whether a line is left out for its name. To be asked of lines whose kind passes.
    func drops(_ slot: FieldSlot, in bytes: ByteView) -> Bool {
        guard slot.known.isNameless else { return false }
        let name = bytes[slot.name]
        if isPreCall, ServiceCall.isAboutResource(name) { return true }
        if let fields {
            if (isPreCall ? fields.pointee.claims : fields.pointee.own).contains(name) { return true }
            if fields.pointee.reliesOnUnusual, isReadAsRelied(name, fields) { return true }
        }
        return slot.known == .unusual && isReadAsKnown(name, isTrailer: false)
    }

    /// Whether a field of the trailers is left out: whatever does not pass in the head, and what a policy has relied upon there. A service that
    /// merges trailers into the head would take it for what was checked.
    func dropsTrailer(_ slot: FieldSlot, in bytes: ByteView, nominated: NameSet, signed: NameSet) -> Bool {
        if dropped & slot.known.bit != 0 || drops(slot, in: bytes) { return true }
        let name = bytes[slot.name]
        if let fields, fields.pointee.relied.contains(name) { return true }
        if slot.known == .unusual, isReadAsKnown(name, isTrailer: true) { return true }
        return nominated.contains(name) || signed.contains(name)
    }

    /// Whether an unusual name is read like a field that the gateway knows, changes, checks or remembers. One that is too long for the memory is
    /// no such field's.
    private func isReadAsKnown(_ name: ByteView, isTrailer: Bool) -> Bool {
        guard passesUnusual else { return true }
        guard name.count <= memoryCapacity else { return false }
        let usual = UnusualNames.usual(name, into: memory)
        if KnownField(name: usual) != .other || isTrailer && HopByHop.isForbiddenInTrailers(name: usual) { return true }
        guard let fields else { return false }
        return fields.pointee.own.contains(usual) || isReadAsRelied(name, fields)
    }

    /// Whether the name is another spelling of one that a policy relies upon.
    private func isReadAsRelied(_ name: ByteView, _ fields: UnsafePointer<EndpointFields>) -> Bool {
        guard name.count <= min(fields.pointee.reliedAlike.longest, memoryCapacity) else { return false }
        return fields.pointee.reliedAlike.contains(UnusualNames.usual(name, into: memory)) && !fields.pointee.relied.contains(name)
    }
}

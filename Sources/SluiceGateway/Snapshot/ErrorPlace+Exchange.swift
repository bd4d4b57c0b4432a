import SluiceHTTP

// How a domain wants its errors told.

extension ErrorPlace {
    /// - Parameters:
    ///   - domain: of the exchange that is refused; nil if none was found.
    ///   - context: of the worker.
    ///   - exchange: as it is. Read for some errors of `v2` alone.
    @inline(__always)
    init(
        of refusal: Refusal, in domain: UnsafePointer<CompiledDomain>?, _ context: UnsafeMutablePointer<EvaluationContext>, _ exchange: @autoclosure () -> Exchange
    ) {
        let family = domain?.pointee.errors ?? context.pointee.errorsElsewhere
        if family != .v1 {
            self.init(of: refusal, in: family, exchange())
        } else {
            self.init(refusal.row)
        }
    }

    @inline(never)
    private init(of refusal: Refusal, in family: ErrorFamily, _ exchange: Exchange) {
        if family == .v2, let error = FinerError(refusal, exchange) {
            self.init(error)
        } else {
            self.init(refusal.row, in: family)
        }
    }
}

extension Refusal {
    /// What of the detail clients of the domain are told.
    func toldDetail(in domain: UnsafePointer<CompiledDomain>?) -> ByteView {
        let told = toldDetail
        return told.isEmpty ? told : refined(told, in: domain)
    }

    @inline(never)
    private func refined(_ told: ByteView, in domain: UnsafePointer<CompiledDomain>?) -> ByteView {
        guard let domain, domain.pointee.errors == .v2 else { return told }
        switch row {
        case .upstreamTimeout where detail == Self.slowResponse: return domain.pointee.upstream?.pointee.timeoutDetail ?? told
        // Its message has no place for one.
        case .badRequest where detail == Self.malformedForwarding: return .empty
        default: return told
        }
    }
}

extension ErrorPlace {
    /// Which of the domain's own responses it gets.
    func responseType(of refusal: Refusal) -> ResponseType {
        switch finerError {
        case .keySetUnavailable, .keySetMalformed: .jwksError
        default: refusal.row.responseType
        }
    }
}

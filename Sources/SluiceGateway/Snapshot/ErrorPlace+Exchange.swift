import SluiceHTTP

// How the domain of an exchange wants its errors told.

extension ErrorPlace {
    /// - Parameter exchange: the one that is refused, as it is.
    init(of refusal: Refusal, in exchange: Exchange) {
        let family = exchange.domain?.pointee.errors ?? .v1
        if family == .v2, let error = CredentialError(refusal, exchange) {
            self.init(error)
        } else {
            self.init(refusal.row, in: family)
        }
    }
}

extension Refusal {
    /// What of the detail the caller is told in the family of the domain.
    func toldDetail(in exchange: Exchange) -> ByteView {
        guard row == .upstreamTimeout, let domain = exchange.domain, domain.pointee.errors == .v2, detail == Self.slowResponse else { return toldDetail }
        return domain.pointee.upstream?.pointee.timeoutDetail ?? toldDetail
    }
}

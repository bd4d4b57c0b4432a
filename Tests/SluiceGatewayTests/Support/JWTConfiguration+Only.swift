@testable import SluiceGateway

extension JWT.Configuration {
    /// A policy for one issuer, whatever its name is.
    init(key: JWT.Key) { self.init(issuers: [JWT.Issuer(key: key)]) }

    /// The one issuer.
    var only: JWT.Issuer {
        get { issuers[0] }
        set { issuers[0] = newValue }
    }
}

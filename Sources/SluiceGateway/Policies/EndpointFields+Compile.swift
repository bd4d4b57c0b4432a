import SluiceHTTP

extension EndpointFields {
    /// Nil where nothing is special.
    init?(changes: FieldChanges?, changed: [String], claims claimNames: [String], relied reliedNames: [String], into arena: Arena) {
        guard !(changed.isEmpty && claimNames.isEmpty && reliedNames.isEmpty) else { return nil }
        own = FieldNames(changed + claimNames, asReadAlike: true, into: arena)
        claims = FieldNames(claimNames, asReadAlike: true, into: arena)
        let bits = claimNames.reduce(0) { bits, name in bits | name.withByteView { KnownField(name: $0).bit } }
        knownClaims = bits & ~(KnownField.other.bit | KnownField.saidByProxies.bit)
        knownOwn = (changes?.knownFields ?? 0) | knownClaims
        relied = FieldNames(reliedNames, into: arena)
        reliedAlike = FieldNames(reliedNames, asReadAlike: true, into: arena)
        reliesOnUnusual = reliedNames.contains(where: UnusualNames.isUnusual)
    }
}

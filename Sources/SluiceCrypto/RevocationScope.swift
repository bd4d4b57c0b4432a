internal import COpenSSL

/// Which certificates of its issuer a list covers (RFC 5280, 5.2.5). Owned by the list.
struct RevocationScope {
    /// Certificates of authorities, and all others.
    let authorities, users: Bool
    /// Nil for everything.
    private let point: UnsafeMutablePointer<ISSUING_DIST_POINT>?
    /// The same in DER.
    private let encoding: [UInt8]

    init(of list: OpaquePointer) {
        let point = sluice_X509_CRL_scope(list)
        self.point = point
        authorities = point.map { $0.pointee.onlyuser <= 0 } ?? true
        users = point.map { $0.pointee.onlyCA <= 0 } ?? true
        let count = point == nil ? 0 : Int(i2d_ISSUING_DIST_POINT(point, nil))
        encoding = [UInt8](unsafeUninitializedCapacity: max(0, count)) { buffer, used in
            var place = buffer.baseAddress
            used = count > 0 ? max(0, Int(i2d_ISSUING_DIST_POINT(point, &place))) : 0
        }
    }

    func free() { ISSUING_DIST_POINT_free(point) }

    static func == (one: RevocationScope, other: RevocationScope) -> Bool { one.encoding == other.encoding }

    /// Whether it covers certificates of this kind.
    func covers(authority: Bool) -> Bool { authority ? authorities : users }

    /// Whether it covers only certificates that name one of its places.
    var hasPlaces: Bool { point?.pointee.distpoint != nil }

    /// Whether one of a certificate's places is one of its own.
    func isAt(_ places: OpaquePointer?) -> Bool { point.map { sluice_is_listed_at(places, $0) } ?? false }

    /// Why a list cannot be used, whatever its issuer; nil if it can.
    static func problem(of list: OpaquePointer) -> String? {
        defer { ErrorQueue.clear() }
        if X509_CRL_get_ext_by_NID(list, NID_delta_crl, -1) >= 0 { return "is a list of changes (delta CRL): the complete list is needed" }
        if X509_CRL_get_ext_by_NID(list, NID_issuing_distribution_point, -1) >= 0 {
            guard let point = sluice_X509_CRL_scope(list) else { return "does not say readably what it covers (issuing distribution point)" }
            defer { ISSUING_DIST_POINT_free(point) }
            if point.pointee.indirectCRL > 0 { return "has certificates of other authorities (indirect CRL)" }
            if point.pointee.onlysomereasons != nil { return "has only some reasons: a list of all is needed" }
            if point.pointee.onlyattr > 0 { return "covers attribute certificates only" }
            if point.pointee.onlyuser > 0, point.pointee.onlyCA > 0 { return "covers nothing (issuing distribution point)" }
            if let place = point.pointee.distpoint, place.pointee.type != 0 { return "has a place that is relative to its issuer (issuing distribution point)" }
        }
        return sluice_X509_CRL_has_unknown(list) ? "has a critical extension that is not known" : nil
    }
}

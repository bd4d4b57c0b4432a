import SluiceHTTP

/// Which requests the admin listener answers. It has no authentication, so what reaches it must not be a page in a browser on the same machine or network:
/// one that is loaded from a name which then resolves to the listener's address (DNS rebinding) sends that name as `Host`, and any other page an `Origin`.
package struct AdminGate: Sendable {
    private let hosts: Set<String>

    /// - Parameter hosts: names in lower case, besides addresses and `localhost`.
    package init(hosts: [String]) { self.hosts = Set(hosts + ["localhost"]) }

    /// Nil for a request that may be answered. One without `Host` may (HTTP/1.0, as some probes speak it): browsers always send one.
    package func refusal(_ request: ControlRequest) -> ControlResponse? {
        let named = request.values("Host")
        guard named.count < 2, named.allSatisfy(isKnown) else {
            return .init(status: 403, body: "Host must be an address, localhost or a name in SLUICE_ADMIN_HOSTS\n")
        }
        let origins = request.values("Origin")
        guard origins.allSatisfy({ isOwn($0, host: named.first) }) else { return .init(status: 403, body: "requests of other origins are refused\n") }
        guard request.values("Sec-Fetch-Site").allSatisfy({ ["same-origin", "none"].contains($0.lowercased()) }) else {
            return .init(status: 403, body: "requests of other sites are refused\n")
        }
        return nil
    }

    private func isKnown(_ host: String) -> Bool {
        var text = Array(host.utf8)
        return text.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress, let parsed = Authority.parse(ByteView(base: base, count: buffer.count)) else { return false }
            var name = String(decoding: buffer.prefix(parsed.hostCount), as: UTF8.self).lowercased()
            if name.hasPrefix("[") { return true }
            if name.hasSuffix(".") { name.removeLast() }
            return IPAddress(name) != nil || hosts.contains(name)
        }
    }

    /// Whether an origin (RFC 6454, 7) is the listener's own, as it was called.
    private func isOwn(_ origin: String, host: String?) -> Bool {
        guard let host else { return false }
        return ["http://", "https://"].contains { origin.lowercased() == $0 + host.lowercased() }
    }
}

import SluiceConfiguration
import SluiceCrypto
import SluiceHTTP

/// What an operator's file says, read and typed; nothing is compiled yet.
package struct GatewayConfiguration: Sendable {
    var listeners: [ListenerConfiguration] = []
    var trustedProxies: [Located<CIDR>] = []
    var projects: [Project] = []
    var domains: [DomainConfiguration] = []
    /// How errors are told of requests that are none of any domain's.
    var errors = ErrorFamily.v1
    var plans: [PlanConfiguration] = []
    var callers: [CallerConfiguration] = []

    struct Project: Sendable {
        var name: Located<String>
        /// Requests per second; nil for the process setting.
        var ceiling: Located<Int64>?
    }

    struct ListenerConfiguration: Sendable {
        var address: Located<ListenAddress>
        /// Chosen by SNI; empty for plain HTTP.
        var certificates: [Certificate]
        /// Nil where clients are not asked for certificates.
        var clients: ClientCertificateRules?
        var expectsProxyHeader: Bool
        var http2: HTTP2Service
        /// Most connections at once, over all workers; 0: no bound.
        var connectionsMax: Int
        var trustedProxies: [Located<CIDR>]
    }

    /// Which clients of a listener may speak HTTP/2.
    enum HTTP2Service: Sendable {
        case nobody
        /// Those that choose it in their TLS handshake, by ALPN.
        case byALPN
        /// Those that begin with its preface, without TLS (RFC 9113, 3.3).
        case byPreface
    }

    /// How a listener asks its clients for certificates.
    struct ClientCertificateRules: Sendable {
        var authorityFile: Located<String>
        var revocationFile: Located<String>?
        var mode: ClientVerification.Mode
    }

    struct Certificate: Sendable {
        var chainFile: Located<String>
        var key: Located<Secret>
    }

    struct DomainConfiguration: Sendable {
        var key: Located<String>
        /// False: it was left out, which is a problem that was reported; `key` is empty then.
        var hasKey = true
        var hosts: [Located<String>]
        /// Nil: the project named `default`.
        var project: Located<String>?
        var upstreams: [Located<UpstreamURL>]
        var trust: Origin.Trust
        var trustPosition: Located<String>?
        /// Milliseconds; nil for the process setting.
        var timeoutMilliseconds: Int64?
        var keepsEncodedSlashes: Bool
        var keepsAmbiguousPaths: Bool
        var errors: ErrorFamily
        var responses: ResponsesConfiguration
        var policies: PolicySettings
        var endpoints: [EndpointConfiguration]
    }

    struct EndpointConfiguration: Sendable {
        var path: Located<String>
        /// False: it was left out, which is a problem that was reported; `path` is empty then.
        var hasPath = true
        var methods: Located<[Located<String>]>?
        var policies: PolicySettings

        /// Its methods and its path, for example `GET,POST /a` or `* /a`: what counters and commands call it.
        var name: String { "\(methods?.value.map(\.value).joined(separator: ",") ?? "*") \(path.value)" }
    }
}

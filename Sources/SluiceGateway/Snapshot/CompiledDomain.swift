import SluiceHTTP

/// A domain as the workers read it. Lives in the snapshot's arena.
struct CompiledDomain {
    /// The domain's key, for logs.
    let key: ByteView
    /// What services are told of requests that name the domain by its key.
    let keyLines: KeyLines
    /// Its row in the counters; the same for the same key over every reload.
    let counter: Int
    /// The row of its requests that no endpoint matches.
    let unmatchedCounter: Int
    /// Paths with one of these are refused: with any `%2F`, or, where it is data (`encodedSlashes: keep`), with a dot segment behind it.
    let unsafeMarks: PathMarks
    /// Whether a path passes although a service may read it as one that leads elsewhere (`ambiguousPaths: keep`).
    let keepsAmbiguousPaths: Bool
    /// How its clients are told of errors.
    let errors: ErrorFamily
    /// What they are told in place of that; nil for nothing.
    let responses: UnsafePointer<OwnResponses>?
    let endpoints: EndpointTable
    /// Where endpoint `i` of `endpoints` stands.
    let compiledEndpoints: ArenaSlice<CompiledEndpoint>
    /// The domain's own steps: for a request that no endpoint matches, which is then not found.
    let ownSteps: ArenaSlice<Step>
    /// For a request whose path cannot be matched: it counts, and goes no further.
    let unsafeTargetSteps: ArenaSlice<Step>
    /// Applied to every response, refusals too.
    let cors: UnsafePointer<CORS.Compiled>?
    let upstream: UnsafePointer<CompiledUpstream>?
}

/// X-Forwarded- lines, each with its CRLF, of requests that name a domain by its key.
struct KeyLines: BitwiseCopyable {
    /// -Prefix alone.
    let prefix: ByteView
    /// -Proto, -Port and -Prefix of nearly all: those without a port in their Host.
    let http: ByteView
    let https: ByteView

    init(key: String, into arena: Arena) {
        let line = "X-Forwarded-Prefix: /\(key)\r\n"
        prefix = arena.bytes(line)
        http = arena.bytes("X-Forwarded-Proto: http\r\nX-Forwarded-Port: 80\r\n" + line)
        https = arena.bytes("X-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n" + line)
    }
}

/// An endpoint as the workers read it.
struct CompiledEndpoint {
    /// The path pattern as configured, for logs.
    let pattern: ByteView
    /// Its row in the counters; the same for the same domain and pattern over every reload.
    let counter: Int
    /// The whole chain: the domain's steps, then its own.
    let steps: ArenaSlice<Step>
    /// Whether one of them does: see `PolicyDeclaration.goesByClock`.
    let goesByClock: Bool
    let headers: UnsafePointer<HeaderChanges.Compiled>?
    let forwardedClaims: ArenaSlice<ByteView>
    /// Variables of the path, where the domain's own responses tell of one.
    let variables: ArenaSlice<PathVariable>
    /// Nil where no name of a request's fields is special.
    let fields: UnsafePointer<EndpointFields>?
}

extension CompiledEndpoint {
    /// Its rewrite, if it has one. Looked for, because only rare requests ask.
    var rewrite: UnsafePointer<Rewrite.Compiled>? {
        for index in 0..<steps.count {
            if let rewrite = steps[index].compiled(of: Rewrite.self) { return rewrite }
        }
        return nil
    }
}

/// The services behind a domain, in the order of the configuration.
struct CompiledUpstream {
    let targets: ArenaSlice<Target>
    /// Milliseconds until the response head, and between two reads of its body.
    let timeoutMilliseconds: UInt64
    /// What clients are told when it is over, with the errors `v2`.
    let timeoutDetail: ByteView

    /// One URL of the list.
    struct Target: BitwiseCopyable {
        /// The origin in the registry, which outlives snapshots.
        let origin: Int
        /// The URL's own path without its last slash: request paths start with one.
        let basePath: ByteView
        /// `Host: authority` with its CRLF.
        let hostLine: ByteView
    }
}

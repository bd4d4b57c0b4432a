import SluiceConfiguration
import SluiceHTTP

/// Lets browsers of other origins read a domain's responses (Fetch standard, "HTTP extensions").
///
/// A preflight, which is OPTIONS with Origin and Access-Control-Request-Method, is always answered here with 204: with
/// Access-Control fields if the origin, the method and every header asked for are listed, otherwise with none. The list
/// of methods is the whole truth: GET, HEAD and POST, which browsers send without asking, are not added to it.
/// Names of headers compare without regard to case; origins and methods byte for byte.
///
/// Every other response of the domain, errors too, gets `responseFields`, and the upstream's own are left out (`removes`).
/// Everything is rendered once per origin. Refuses nothing and never suspends. O(log n) in the number of origins.
enum CORS: Policy {
    static let key = "cors"

    static let declaration = PolicyDeclaration(
        places: [.init(level: .domain, meaning: "Lets browsers of other origins use the domain.")],
        form: .mapping([
            .init("origins", .list(.text("origin, or `*`"), orOne: true, countMin: 1), .required,
                "Origins that may use the domain, such as `https://app.example.com`. `*`, alone, allows every origin."),
            .init("methods", .list(.text("method, or `*`"), orOne: true), .byDefault("[GET, HEAD, POST]"), "Methods that are allowed."),
            .init("headers", .list(.text("name of a header, or `*`"), orOne: true), .byDefault("[]"),
                "Request headers that are allowed. `*` stands for all headers except `Authorization`."),
            .init("expose", .list(.text("name of a header, or `*`"), orOne: true), .byDefault("[]"), "Response headers that scripts may read."),
            .init("credentials", .boolean, .byDefault("false"), "Whether browsers may send cookies and other credentials. Excludes `*` in all lists."),
            .init("maxAge", .integer(0...86_400, unit: "seconds"), .otherwise("the browser decides"), "How long a browser may keep the answer to a preflight."),
        ]))

    struct Configuration: Equatable, Sendable {
        /// `["*"]`, or serialised origins (RFC 6454, 6.2), `null` among them only if it is written. At least one.
        var origins: [String]
        /// `["*"]` (never with credentials) or methods. GET, HEAD and POST unless configured.
        var methods = ["GET", "HEAD", "POST"]
        /// Request headers. A `*` among them (never with credentials) stands for all but Authorization.
        var headers: [String] = []
        /// Response headers that scripts may read, or `["*"]` (never with credentials).
        var expose: [String] = []
        /// Whether cookies and the like may be sent. False unless configured.
        var credentials = false
        /// How long a browser may keep a preflight's answer, in seconds, 0 to 86,400. Nil leaves it to the browser.
        var maxAge: Int?
    }

    static func compile(_ configuration: Configuration, into snapshot: SnapshotBuilder) -> Compiled? {
        let arena = snapshot.arena
        let renderer = CORSRenderer(configuration: configuration, arena: arena)
        let all = configuration.origins == ["*"]
        // Sorted by length, then by bytes, each once: `Compiled.find` relies on it.
        let texts = Set(configuration.origins.map { Array($0.utf8) }).sorted {
            $0.count != $1.count ? $0.count < $1.count : $0.lexicographicallyPrecedes($1)
        }
        let origins = texts.map { renderer.origin($0) }
        return Compiled(
            origins: arena.store(origins), allowsAllOrigins: all,
            methods: arena.store(configuration.methods.filter { $0 != "*" }.map { arena.bytes($0) }),
            allowsAllMethods: configuration.methods.contains("*"),
            headers: FieldNames(configuration.headers.filter { $0 != "*" }, into: arena),
            allowsAllHeaders: configuration.headers.contains("*"),
            denial: renderer.preflight(allowing: nil),
            fieldsWithoutPermission: all ? origins[0].responseFields : arena.bytes("Vary: Origin\r\n"))
    }

    /// Whether a response field of the upstream's is left out because the gateway answers it: all `Access-Control-` fields.
    static func removes(_ name: ByteView) -> Bool {
        name.count > 15 && name[..<15].equalsIgnoringCase("access-control-")
    }
}

extension CORS {
    /// What is sent to one origin.
    struct Origin: BitwiseCopyable {
        /// As browsers serialise it; `*` for the one entry of a policy that allows all.
        let text: ByteView
        /// The answer to a preflight that is granted.
        let permission: UnsafePointer<StoredResponse>
        /// The field lines of every other response, each with its CRLF.
        let responseFields: ByteView
    }

    struct Compiled: CompiledPolicy {
        /// Headers that a preflight may ask for; one that asks for more is not granted.
        static let requestedHeadersMax = 128

        /// Sorted by length, then by bytes. Exactly one where all origins are allowed.
        let origins: ArenaSlice<Origin>
        let allowsAllOrigins: Bool
        let methods: ArenaSlice<ByteView>
        let allowsAllMethods: Bool
        let headers: FieldNames
        let allowsAllHeaders: Bool
        /// The answer to a preflight that is not granted.
        let denial: UnsafePointer<StoredResponse>
        /// The field lines of responses to requests without an allowed origin.
        let fieldsWithoutPermission: ByteView

        func evaluate(_ exchange: inout Exchange) -> Verdict {
            guard exchange.head.method == .options, let origin = exchange.value(of: .origin),
                let method = exchange.value(of: .accessControlRequestMethod)
            else { return .proceed }
            guard let allowed = find(origin), allows(method: method), allowsHeaders(of: exchange) else {
                return .respond(denial)
            }
            return .respond(allowed.permission)
        }

        /// The field lines, each with its CRLF, that every response but a preflight's gets. `origin` is the request's
        /// Origin. Without an allowed one: only Vary, because the answer would have been another for another origin.
        func responseFields(origin: ByteView?) -> ByteView {
            guard let origin, let allowed = find(origin) else { return fieldsWithoutPermission }
            return allowed.responseFields
        }

        private func find(_ text: ByteView) -> Origin? {
            if allowsAllOrigins { return origins[0] }
            var low = 0
            var high = origins.count
            while low < high {
                let middle = (low + high) / 2
                let origin = origins[middle]
                let order = Self.order(text, origin.text)
                if order == 0 { return origin }
                if order < 0 { high = middle } else { low = middle + 1 }
            }
            return nil
        }

        /// Below, at or above zero as `one` stands before, at or after `other`.
        private static func order(_ one: ByteView, _ other: ByteView) -> Int {
            guard one.count == other.count else { return one.count - other.count }
            var index = 0
            while index < one.count {
                let difference = Int(one[index]) - Int(other[index])
                if difference != 0 { return difference }
                index += 1
            }
            return 0
        }

        private func allows(method: ByteView) -> Bool {
            if allowsAllMethods { return !method.isEmpty }
            var index = 0
            while index < methods.count {
                if method.equals(methods[index]) { return true }
                index += 1
            }
            return false
        }

        private func allowsHeaders(of exchange: borrowing Exchange) -> Bool {
            let fields = exchange.head.fields
            let bytes = exchange.headBytes
            guard fields.first(.accessControlRequestHeaders) != nil else { return true }
            var left = Self.requestedHeadersMax
            var line = 0
            while line < fields.count {
                let slot = fields[line]
                line += 1
                guard slot.known == .accessControlRequestHeaders else { continue }
                var names = ListElements(bytes[slot.value], atMost: left)
                while let name = names.next() {
                    guard allows(header: name) else { return false }
                }
                if names.isOverLimit { return false }
                left = names.left
            }
            return true
        }

        private func allows(header: ByteView) -> Bool {
            // Fetch, "CORS non-wildcard request-header name": a browser wants Authorization listed by name.
            if allowsAllHeaders, !header.equalsIgnoringCase("authorization") { return true }
            return headers.contains(header)
        }
    }
}

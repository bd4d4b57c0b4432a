/// What a control server answers, as one table; whatever is not in it does not exist. Who may ask is decided for all rows alike, before they are looked at.
package struct ControlRouter: Sendable {
    package struct Route: Sendable {
        /// GET answers HEAD too.
        package let method: String
        package let path: String
        /// Whether the answer is there at once, so that the server's own thread gives it; all others are awaited on another thread, one after the other. What
        /// tells whether the process is well must not wait for what takes long.
        let isPrompt: Bool
        let answer: @Sendable (ControlRequest) -> ControlResponse

        /// - Parameter answer: called on one of the server's threads.
        package init(
            _ method: String, _ path: String, isPrompt: Bool = false, answer: @escaping @Sendable (ControlRequest) -> ControlResponse
        ) {
            (self.method, self.path, self.isPrompt, self.answer) = (method, path, isPrompt, answer)
        }

        /// Methods that it answers.
        var methods: [String] { method == "GET" ? ["GET", "HEAD"] : [method] }
    }

    /// What becomes of a request.
    enum Decision {
        case answer(ControlResponse)
        /// The route's answer has to be awaited.
        case ask(Route)
    }

    package let routes: [Route]
    /// Nil for a request that may be answered.
    private let refusal: @Sendable (ControlRequest) -> ControlResponse?

    package init(_ routes: [Route], refusal: @escaping @Sendable (ControlRequest) -> ControlResponse? = { _ in nil }) {
        self.routes = routes
        self.refusal = refusal
    }

    func decide(_ request: ControlRequest) -> Decision {
        if let refused = refusal(request) { return .answer(refused) }
        let found = routes.filter { $0.path == request.path }
        guard let first = found.first else {
            // In the order of the table, each once.
            let paths = routes.map(\.path).reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
            return .answer(ControlResponse(status: 404, body: paths.joined(separator: ", ") + "\n"))
        }
        guard let route = found.first(where: { $0.methods.contains(request.method) }) else {
            let allowed = found.flatMap(\.methods)
            return .answer(ControlResponse(status: 405, body: "\(first.method) only\n", allow: allowed.joined(separator: ", ")))
        }
        return route.isPrompt ? .answer(route.answer(request)) : .ask(route)
    }
}

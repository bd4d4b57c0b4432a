import CLibevent
import Glibc

/// A small HTTP server for operators, on libevent's own HTTP code: a loop and a thread of its own, apart from every worker.
///
/// Sendable, because the loop and its HTTP objects are touched by the server's thread alone once it runs; `stop` waits for its end.
///
/// For trusted networks: it has no TLS and no authentication, and answers one request after the other.
package final class ControlServer: @unchecked Sendable {
    /// The address cannot be listened on.
    package struct StartError: Error {
        package let message: String
    }

    package struct Request: Sendable {
        package let method: String
        /// Without the query.
        package let path: String
        /// Header fields, in order.
        package let fields: [(name: String, value: String)]
        package let body: [UInt8]

        package init(method: String, path: String, fields: [(name: String, value: String)] = [], body: [UInt8] = []) {
            (self.method, self.path, self.fields, self.body) = (method, path, fields, body)
        }

        /// Values of all lines of a field; the name in any case.
        package func values(_ name: String) -> [String] {
            let name = name.lowercased()
            return fields.filter { $0.name.lowercased() == name }.map(\.value)
        }
    }

    package struct Response: Sendable {
        package var status: Int
        package var contentType: String
        package var body: String
        /// Value of Allow, which a 405 has (RFC 9110, 15.5.6).
        package var allow: String?

        package init(status: Int, contentType: String = "text/plain; charset=utf-8", body: String, allow: String? = nil) {
            self.status = status
            self.allow = allow
            self.contentType = contentType
            self.body = body
        }
    }

    /// Answers one request. On the server's thread.
    package typealias Handler = @Sendable (Request) -> Response

    private let listener: Int32
    /// libevent's hold of the socket. The server's thread's.
    private var bound: OpaquePointer?
    private let loop: EventLoop
    private let http: OpaquePointer
    private let mailbox: Mailbox
    private let handler: Handler
    private var thread: Thread?

    /// Serves on a thread of its own until `stop()`, with a socket that listens already and is the server's from here on: it is closed
    /// also when an error is thrown, so that its port is not held by nobody.
    ///
    /// - Parameter name: of the thread.
    package init(listener: Int32, name: String = "sluice-admin", handler: @escaping Handler) throws(StartError) {
        self.listener = listener
        do throws(EventLoop.SetupError) {
            loop = try EventLoop()
            mailbox = try Mailbox(loop)
        } catch {
            Socket.close(listener)
            throw StartError(message: error.message)
        }
        guard let http = evhttp_new(loop.base) else {
            Socket.close(listener)
            throw StartError(message: "out of memory")
        }
        self.http = http
        self.handler = handler
        evhttp_set_max_headers_size(http, 16 * 1024)
        evhttp_set_max_body_size(http, 64 * 1024)
        evhttp_set_timeout(http, 10)
        guard let bound = evhttp_accept_socket_with_handle(http, listener) else {
            evhttp_free(http)
            Socket.close(listener)
            throw StartError(message: "the socket cannot be watched")
        }
        self.bound = bound
        pauseAcceptingOnErrors()
        boundConnections()
        evhttp_set_gencb(http, { request, owner in
            guard let request, let owner else { return }
            Unmanaged<ControlServer>.fromOpaque(owner).takeUnretainedValue().answer(request)
        }, Unmanaged.passUnretained(self).toOpaque())
        let transferred = self
        do throws(SocketError) {
            thread = try Thread(name: name) { transferred.loop.run() }
        } catch {
            evhttp_free(http)
            throw StartError(message: "\(error)")
        }
    }

    /// Without descriptors to spare an accept fails, and the connection that waits is reported again at once: libevent would use
    /// up a processor with that. So the listener rests for a while.
    private func pauseAcceptingOnErrors() {
        guard let bound, let listener = evhttp_bound_socket_get_listener(bound) else { return }
        // What the callbacks get is libevent's own: the evhttp object, which lives as long as the loop.
        evconnlistener_set_error_cb(listener) { listener, http in
            guard let listener, let http, let base = evconnlistener_get_base(listener) else { return }
            _ = evconnlistener_disable(listener)
            var rest = timeval(tv_sec: 0, tv_usec: 100_000)
            _ = event_base_once(base, -1, Int16(EV_TIMEOUT), { _, _, http in
                guard let http else { return }
                evhttp_foreach_bound_socket(OpaquePointer(http), { bound, _ in
                    if let listener = evhttp_bound_socket_get_listener(bound) { _ = evconnlistener_enable(listener) }
                }, nil)
            }, http, &rest)
        }
    }

    /// Most connections at once; of a small table of descriptors an eighth.
    private static let connectionsMax = 64
    private static let restMicroseconds = 100_000

    /// A flood of connections, or an agent that leaves its own open, must not take the descriptors that forwarding requests and reloading need.
    private func boundConnections() {
        evhttp_set_bevcb(http, { base, owner in
            if let owner {
                let server = Unmanaged<ControlServer>.fromOpaque(owner).takeUnretainedValue()
                if !server.hasRoom { server.rest() }
            }
            return bufferevent_socket_new(base, -1, 0)
        }, Unmanaged.passUnretained(self).toOpaque())
    }

    /// libevent counts no connections, but events: each connection has one or two, and there are a few besides.
    private var hasRoom: Bool {
        Int(event_base_get_num_events(loop.base, UInt32(EVENT_BASE_COUNT_ADDED))) < min(Self.connectionsMax, Descriptors.limit / 8)
    }

    /// Accepts nothing until there is room again.
    private func rest() {
        guard let bound, let listener = evhttp_bound_socket_get_listener(bound) else { return }
        _ = evconnlistener_disable(listener)
        var time = timeval(tv_sec: 0, tv_usec: Self.restMicroseconds)
        _ = event_base_once(loop.base, -1, Int16(EV_TIMEOUT), { _, _, owner in
            guard let owner else { return }
            let server = Unmanaged<ControlServer>.fromOpaque(owner).takeUnretainedValue()
            guard server.hasRoom else { return server.rest() }
            if let bound = server.bound, let listener = evhttp_bound_socket_get_listener(bound) { _ = evconnlistener_enable(listener) }
        }, Unmanaged.passUnretained(self).toOpaque(), &time)
    }

    /// Another descriptor of the listening socket; nil without one to spare. Not after `release()`.
    package func duplicateListener() -> Int32? { try? Socket.duplicate(listener).get() }

    /// Takes no further connections; another process does. Any thread.
    package func release() {
        let server = self
        mailbox.post {
            guard let bound = server.bound else { return }
            server.bound = nil
            evhttp_del_accept_socket(server.http, bound)
        }
    }

    /// How long `stop` waits for an answer that is under way.
    private static let endNanoseconds: UInt64 = 5_000_000_000

    /// Ends the thread and frees the port. Once.
    package func stop() {
        let server = self
        mailbox.post { server.loop.stop() }
        // What hangs keeps what it uses.
        if thread?.join(deadline: Clock.monotonicNanoseconds() + Self.endNanoseconds) != false { evhttp_free(http) }
    }

    private func answer(_ request: OpaquePointer) {
        let uri = evhttp_request_get_uri(request).map { String(cString: $0) } ?? "/"
        let path = String(uri.prefix { $0 != "?" })
        let method = Self.name(evhttp_request_get_command(request))
        let response = handler(Request(method: method, path: path, fields: Self.fields(of: request), body: Self.body(of: request)))
        let fields = evhttp_request_get_output_headers(request)
        evhttp_add_header(fields, "Content-Type", response.contentType)
        evhttp_add_header(fields, "Cache-Control", "no-store")
        if let allow = response.allow { evhttp_add_header(fields, "Allow", allow) }
        guard let body = evbuffer_new() else { return evhttp_send_error(request, 500, nil) }
        defer { evbuffer_free(body) }
        var text = response.body
        if method == "HEAD" {
            // The length of what a GET would get, and none of it (RFC 9110, 9.3.2).
            evhttp_add_header(fields, "Content-Length", "\(text.utf8.count)")
        } else {
            text.withUTF8 { _ = evbuffer_add(body, $0.baseAddress, $0.count) }
        }
        evhttp_send_reply(request, Int32(response.status), nil, body)
    }

    private static func fields(of request: OpaquePointer) -> [(name: String, value: String)] {
        var found: [(name: String, value: String)] = []
        var next = evhttp_request_get_input_headers(request)?.pointee.tqh_first
        while let entry = next {
            found.append((String(cString: entry.pointee.key), String(cString: entry.pointee.value)))
            next = entry.pointee.next.tqe_next
        }
        return found
    }

    private static func body(of request: OpaquePointer) -> [UInt8] {
        guard let buffer = evhttp_request_get_input_buffer(request) else { return [] }
        let count = evbuffer_get_length(buffer)
        guard count > 0, let bytes = evbuffer_pullup(buffer, -1) else { return [] }
        return Array(UnsafeBufferPointer(start: bytes, count: count))
    }

    private static func name(_ command: evhttp_cmd_type) -> String {
        switch command {
        case EVHTTP_REQ_GET: "GET"
        case EVHTTP_REQ_HEAD: "HEAD"
        case EVHTTP_REQ_POST: "POST"
        default: "other"
        }
    }
}

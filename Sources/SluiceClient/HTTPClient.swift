import Glibc
import SluiceCrypto
import SluiceEvent
import SluiceHTTP

/// One request over HTTP/1.1 and its response, within bounds of time and size: for what the process itself wants to know or tell, never for a worker.
///
/// Each request uses a new connection. Redirects are not followed, because a server that answers 302 could then choose whom the gateway trusts.
/// Nothing is retried: only the caller knows whether that is safe, and when.
package struct HTTPClient: Sendable {
    package struct Bounds: Sendable {
        /// From the look-up of the name to the last byte of the response.
        package var milliseconds: Int
        /// Longest silence of the peer; nil: the whole time.
        package var silenceMilliseconds: Int?
        /// Of one head; there may be interim ones before the final.
        package var headBytes = 1 << 16
        package var fields = 256
        package var bodyBytes = 1 << 20

        package init(milliseconds: Int, silenceMilliseconds: Int? = nil, bodyBytes: Int = 1 << 20) {
            self.milliseconds = milliseconds
            self.silenceMilliseconds = silenceMilliseconds
            self.bodyBytes = bodyBytes
        }
    }

    package let bounds: Bounds
    /// A PEM file of the authorities that are trusted in place of the system's; nil for those.
    package let authorityFile: String?

    package init(_ bounds: Bounds, authorityFile: String? = nil) {
        self.bounds = bounds
        self.authorityFile = authorityFile
    }

    /// Sends the request and waits for the response, whatever its status is. Blocks.
    ///
    /// - Parameters:
    ///   - name: the look-up of the target's host. Callers that send often pass the same one each time, so that known addresses survive a failure of
    ///     the name server.
    ///   - isEnding: asked while it waits, ten times a second: whether to give up, because the process ends.
    package func send(
        _ request: HTTPRequest, to target: HTTPTarget, name: NameLookUp? = nil, isEnding: (() -> Bool)? = nil
    ) throws(StreamFailure) -> HTTPResponse {
        let patience = Patience(milliseconds: bounds.milliseconds, isEnding: isEnding)
        let head = try Self.head(of: request, authority: target.authority, target: target.target)
        let peer = target.isSecure ? try trusted(target.host) : nil
        let stream = try DeadlineStream(to: (name ?? NameLookUp(target.host, port: target.port)).addresses(patience), patience)
        if let peer { try stream.startTLS(peer, patience) }
        return try exchange(head, request, over: stream, patience)
    }

    /// As `send`, over a connection that there is already.
    package func send(_ request: HTTPRequest, _ target: String, authority: String, over stream: DeadlineStream) throws(StreamFailure) -> HTTPResponse {
        let head = try Self.head(of: request, authority: authority, target: target)
        return try exchange(head, request, over: stream, Patience(milliseconds: bounds.milliseconds))
    }

    private func trusted(_ host: String) throws(StreamFailure) -> TLSPeer {
        do throws(CryptoError) {
            return try TLSPeer(TLSClientContext(authorityFile: authorityFile), name: host)
        } catch {
            throw StreamFailure(error.message)
        }
    }

    private static func head(of request: HTTPRequest, authority: String, target: String) throws(StreamFailure) -> [UInt8] {
        var fields = [("Host", authority), ("User-Agent", "sluice"), ("Connection", "close")] + request.fields
        if let body = request.body { fields.append(("Content-Length", "\(body.count)")) }
        // A line that ends within would be another line.
        let parts = [request.method, authority, target] + fields.flatMap { [$0.0, $0.1] }
        guard parts.allSatisfy({ $0.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F } }) else { throw StreamFailure("a request that cannot be sent") }
        let lines = ["\(request.method) \(target) HTTP/1.1"] + fields.map { "\($0.0): \($0.1)" }
        return Array(lines.map { $0 + "\r\n" }.joined().utf8) + Array("\r\n".utf8)
    }

    private func exchange(
        _ head: [UInt8], _ request: HTTPRequest, over stream: DeadlineStream, _ patience: Patience
    ) throws(StreamFailure) -> HTTPResponse {
        try stream.send(head + (request.body ?? []), patience)
        var reader = HTTPResponseReader(stream: stream, bounds: bounds, patience: patience)
        return try reader.read(isHead: request.method == "HEAD", statusesWithBody: request.statusesWithBody)
    }
}

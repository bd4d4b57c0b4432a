import SluiceEvent

/// Asks the gateways behind the control sockets of a folder (`ControlDoor`) one thing and waits for their answers: for commands, never for a worker.
package enum ControlClient {
    /// Silence that is waited for, and the time for all of one answer.
    private static let bounds = HTTPClient.Bounds(milliseconds: 60_000, silenceMilliseconds: 5000, bodyBytes: 64 << 20)
    /// The same for somebody who is told only.
    private static let followBounds = HTTPClient.Bounds(milliseconds: 2000, silenceMilliseconds: 2000, bodyBytes: 1 << 16)

    /// Sends one request to every process and reads the answers to their ends. Empty if nobody is there.
    package static func ask(_ method: String, _ path: String, folder: String, json: [UInt8] = []) throws(StreamFailure) -> [HTTPResponse] {
        let request = request(method, json)
        var answers: [HTTPResponse] = []
        for stream in try connect(folder) { answers.append(try HTTPClient(bounds).send(request, path, authority: "localhost", over: stream)) }
        return answers
    }

    /// Has one process do what must not be done twice, and then tells the others. The one that does it is the first that does not say that it cannot (503): while one
    /// process takes over from another, there are two, and one of them may be about to end or to begin.
    ///
    /// - Parameter followPath: what the others are asked then. What they answer does not matter: they would find out by themselves.
    /// - Returns: the answer; nil if nobody is there.
    package static func askOne(
        _ method: String, _ path: String, folder: String, json: [UInt8] = [], followPath: String
    ) throws(StreamFailure) -> HTTPResponse? {
        let streams = try connect(folder)
        var answer: HTTPResponse?
        var asked = streams.startIndex
        while asked < streams.endIndex {
            let latest = try HTTPClient(bounds).send(request(method, json), path, authority: "localhost", over: streams[asked])
            answer = latest
            if latest.status != 503 { break }
            asked += 1
        }
        guard answer?.status == 200 else { return answer }
        for stream in streams.enumerated() where stream.offset > asked {
            _ = try? HTTPClient(followBounds).send(request("POST", []), followPath, authority: "localhost", over: stream.element)
        }
        // Those that could not do it have ended their streams.
        if asked > 0, let others = try? connect(folder) {
            for stream in others { _ = try? HTTPClient(followBounds).send(request("POST", []), followPath, authority: "localhost", over: stream) }
        }
        return answer
    }

    private static func request(_ method: String, _ json: [UInt8]) -> HTTPRequest {
        HTTPRequest(method, fields: [("Content-Type", "application/json")], body: json)
    }

    private static func connect(_ folder: String) throws(StreamFailure) -> [DeadlineStream] {
        do throws(SocketError) {
            return try ControlDoor.connect(folder: folder).map { DeadlineStream(adopting: $0) }
        } catch {
            throw StreamFailure("\(error)")
        }
    }
}

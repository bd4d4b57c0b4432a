import SluiceEvent

/// Asks the gateways behind the control sockets of a folder (`ControlDoor`) one thing and waits for their answers: for commands, never for a worker.
package enum ControlClient {
    /// Silence that is waited for, and the time for all of one answer.
    private static let bounds = HTTPClient.Bounds(milliseconds: 60_000, silenceMilliseconds: 5000, bodyBytes: 64 << 20)

    /// Sends one request to every process and reads the answers to their ends. Empty if nobody is there.
    ///
    /// - Parameter onlyOne: asks one of them, for what must not be done twice.
    package static func ask(
        _ method: String, _ path: String, folder: String, json: [UInt8] = [], onlyOne: Bool = false
    ) throws(StreamFailure) -> [HTTPResponse] {
        let connections: [Int32]
        do throws(SocketError) {
            connections = try ControlDoor.connect(folder: folder)
        } catch {
            throw StreamFailure("\(error)")
        }
        let streams = connections.map { DeadlineStream(adopting: $0) }
        let request = HTTPRequest(method, fields: [("Content-Type", "application/json")], body: json)
        var answers: [HTTPResponse] = []
        for stream in onlyOne ? streams.prefix(1) : streams[...] { answers.append(try HTTPClient(bounds).send(request, path, authority: "localhost", over: stream)) }
        return answers
    }
}

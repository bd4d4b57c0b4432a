import Glibc

/// Asks a `ControlServer` one thing and waits for the answer: for commands, never for a worker.
package enum ControlClient {
    package struct Answer: Sendable {
        package let status: Int
        package let body: [UInt8]
    }

    /// What came is not an answer, or none came.
    package struct Failure: Error, CustomStringConvertible {
        package let description: String
    }

    private static let timeout = timeval(tv_sec: 5, tv_usec: 0)
    private static let answerBytesMax = 64 << 20

    /// Sends one request to every process behind a door in `folder` (`ControlDoor`) and reads the answers to their ends, in five seconds of silence at most
    /// for each. Empty if nobody is there.
    package static func ask(_ method: String, _ path: String, folder: String, json: [UInt8] = []) throws(Failure) -> [Answer] {
        let connections: [Int32]
        do throws(SocketError) {
            connections = try ControlDoor.connect(folder: folder)
        } catch {
            throw Failure(description: "\(error)")
        }
        defer { for connection in connections { Socket.close(connection) } }
        var answers: [Answer] = []
        for connection in connections { answers.append(try exchange(method, path, over: connection, json)) }
        return answers
    }

    private static func exchange(_ method: String, _ path: String, over descriptor: Int32, _ json: [UInt8]) throws(Failure) -> Answer {
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            var limit = timeout
            setsockopt(descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
        let head = """
            \(method) \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
            Content-Length: \(json.count)\r\n\r\n
            """
        try sendAll(Array(head.utf8) + json, descriptor)
        return try parse(receiveAll(descriptor))
    }

    private static func sendAll(_ bytes: [UInt8], _ descriptor: Int32) throws(Failure) {
        var sent = 0
        while sent < bytes.count {
            let result = bytes.withUnsafeBytes { Socket.send(descriptor, $0.baseAddress.unsafelyUnwrapped + sent, count: $0.count - sent) }
            guard case .bytes(let count) = result else { throw failure(result) }
            sent += count
        }
    }

    private static func receiveAll(_ descriptor: Int32) throws(Failure) -> [UInt8] {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65_536)
        while bytes.count < answerBytesMax {
            let result = piece.withUnsafeMutableBytes {
                Socket.receive(descriptor, into: $0.baseAddress.unsafelyUnwrapped, capacity: $0.count)
            }
            if case .ended = result { return bytes }
            guard case .bytes(let count) = result else { throw failure(result) }
            bytes += piece[..<count]
        }
        throw Failure(description: "the answer is too long")
    }

    private static func failure(_ result: Transfer) -> Failure {
        switch result {
        case .failed(let code): Failure(description: "\(SocketError(code: code))")
        default: Failure(description: "no answer in \(timeout.tv_sec) seconds")
        }
    }

    /// Status and body of an answer that ends with its connection.
    private static func parse(_ bytes: [UInt8]) throws(Failure) -> Answer {
        let text = String(decoding: bytes.prefix(16), as: UTF8.self)
        guard text.hasPrefix("HTTP/1."), let status = Int(text.dropFirst(9).prefix(3)),
            let end = bytes.firstRange(of: Array("\r\n\r\n".utf8))
        else { throw Failure(description: "the program that answers is not a gateway") }
        return Answer(status: status, body: Array(bytes[end.upperBound...]))
    }
}

import Foundation
import SluiceClient
import SluiceCounting
import SluiceEvent
import Testing

@testable import SluiceRedis

@Suite("A connection to something that is no Redis")
struct RedisConnectionTests {
    /// Answers the first connection with `beginning` and then zeros without end.
    private final class Endless {
        let port: UInt16
        private let listener: Int32

        init(_ beginning: String) throws {
            signal(SIGPIPE, SIG_IGN)
            let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
            var size = socklen_t(MemoryLayout<sockaddr_in>.size)
            let isBound = withUnsafeMutablePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(listener, $0, size) == 0 && listen(listener, 1) == 0 && getsockname(listener, $0, &size) == 0
                }
            }
            try #require(isBound)
            self.listener = listener
            port = UInt16(bigEndian: address.sin_port)
            Thread.detachNewThread {
                let connection = accept(listener, nil, nil)
                var bytes = Array(beginning.utf8)
                while send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL)) > 0 { bytes = [UInt8](repeating: 0, count: 65_536) }
                close(connection)
            }
        }

        deinit { close(listener) }
    }

    @Test("an answer without end is given up at a bound, not held whole until its time is over", arguments: [
        "$99999999999\r\n", "+", "*1\r\n$500000000\r\n", "*2147483647\r\n", "*2\r\n*200000\r\n",
    ])
    func endless(beginning: String) throws {
        let server = try Endless(beginning)
        // Far more time than the bytes take.
        let deadline = Clock.monotonicNanoseconds() + 600_000_000_000
        let connection = try RedisConnection(NameLookUp("127.0.0.1", port: server.port), tls: nil, deadline: deadline)
        let error = #expect(throws: AllowanceStoreError.self) { try connection.call(RedisCommand("PING"), deadline: deadline) }
        #expect(error?.description == "its answer is too long" || error?.description == "it does not speak Redis's protocol")
    }
}

import SluiceHTTP
import Testing
@testable import SluiceHTTP2

@Suite struct HPACKEncoderTests {
    private func encode(_ text: String, _ kind: HPACKEncoder.Kind) -> [UInt8]? {
        let bytes = Array(text.utf8)
        let room = HPACKEncoder.bytesMax(text: bytes.count)
        return withExactly([UInt8](repeating: 0, count: room)) { output in
            withExactly(bytes) { input in
                HPACKEncoder.encode(ByteView(base: input, count: bytes.count), kind: kind, tables: HPACKTables.shared, into: output)
                    .map { Array(UnsafeBufferPointer(start: output, count: $0)) }
            }
        }
    }

    /// What our decoder reads of it.
    private func roundTrip(_ text: String, _ kind: HPACKEncoder.Kind) -> String? {
        guard let block = encode(text, kind) else { return nil }
        let purpose: HeadAssembly.Purpose = switch kind {
        case .request: .request
        case .response: .response
        case .trailers: .trailers
        }
        var limits = HTTP2Limits()
        limits.headBytes = 200_000
        limits.decodedBytes = 200_000
        let outcome = BlockReader(area: 200_000, limits: limits).read(block, purpose)
        #expect(outcome.fault == nil && outcome.failure == nil)
        return outcome.text
    }

    @Test("a response's head goes through with its names in lower case and without what belongs to HTTP/1")
    func response() {
        let text = """
            HTTP/1.1 302 Found\r\nContent-Type: text/plain\r\nX-Request-ID: A-b_C\r\nConnection: keep-alive, x\r\nKeep-Alive: timeout=5\r\nTransfer-Encoding: chunked\r\n\
            Upgrade: h2c\r\nProxy-Connection: close\r\nTE: gzip\r\nSet-Cookie: a=b\r\nset-cookie: c=d\r\nEmpty:\r\nHost: a\r\nX:y\r\n\r\n
            """
        #expect(roundTrip(text, .response) == "HTTP/1.1 302 \r\ncontent-type: text/plain\r\nx-request-id: A-b_C\r\nset-cookie: a=b\r\nset-cookie: c=d\r\nempty: \r\nhost: a\r\nx: y\r\n\r\n")
        for code in [100, 103, 200, 204, 206, 301, 304, 400, 404, 429, 500, 503, 599] {
            #expect(roundTrip("HTTP/1.1 \(code)\r\n\r\n", .response) == "HTTP/1.1 \(code) \r\n\r\n")
            #expect(roundTrip("HTTP/1.1 \(code) A B\r\na: b\r\n\r\n", .response) == "HTTP/1.1 \(code) \r\na: b\r\n\r\n")
        }
        #expect(encode("HTTP/1.1 200 OK\r\n\r\n", .response) == [0x88])
    }

    @Test("a request's head takes its authority from Host and its scheme from the connection")
    func request() {
        for method in ["GET", "POST", "DELETE", "PURGE", "OPTIONS"] {
            for path in ["/", "/a", "/index.html?b"] {
                for isHTTPS in [false, true] {
                    let text = "\(method) \(path) HTTP/1.1\r\nAccept: */*\r\nHOST: a.test:1\r\nTE: trailers\r\n\r\n"
                    #expect(roundTrip(text, .request(isHTTPS: isHTTPS, connect: .empty)) == "\(method) \(path) HTTP/1.1\r\nHost: a.test:1\r\naccept: */*\r\nte: trailers\r\n\r\n")
                    let block = encode(text, .request(isHTTPS: isHTTPS, connect: .empty))
                    #expect(block?.contains(isHTTPS ? 0x87 : 0x86) == true)
                }
            }
        }
        #expect(roundTrip("GET / HTTP/1.1\r\n\r\n", .request(isHTTPS: true, connect: .empty)) == "GET / HTTP/1.1\r\n\r\n")
        #expect(encode("GET / HTTP/1.1\r\nHost: a\r\n\r\n", .request(isHTTPS: true, connect: .empty)) == [0x82, 0x87, 0x01, 0x01, 0x61, 0x84])
    }

    @Test("trailers")
    func trailers() {
        #expect(roundTrip("Grpc-Status: 0\r\nGrpc-Message: a b\r\n\r\n", .trailers) == "grpc-status: 0\r\ngrpc-message: a b\r\n\r\n")
        #expect(encode("\r\n", .trailers) == [])
    }

    @Test("what identifies its sender must not be put into a table by anybody")
    func sensitive() {
        for (line, bytes) in [("Authorization: a", "1f 08 01 61"), ("Cookie: a", "1f 11 01 61"), ("Set-Cookie: a", "1f 28 01 61"), ("Proxy-Authorization: a", "1f 22 01 61"), ("Accept: a", "0f 04 01 61"), ("X-A: a", "00 03 782d61 01 61")] {
            #expect(encode(line + "\r\n\r\n", .trailers) == hex(bytes), "\(line)")
        }
    }

    @Test("values and names of any length fit into what was said to be enough")
    func lengths() {
        for size in [0, 1, 126, 127, 128, 254, 255, 256, 16_509, 16_510, 16_511, 40_000] {
            let long = String(repeating: "v", count: size)
            #expect(roundTrip("a:\(long)\r\n\r\n", .trailers) == "a: \(long)\r\n\r\n")
            guard size > 0 else { continue }
            #expect(roundTrip("\(long):b\r\n\(long):c\r\n\r\n", .trailers) == "\(long): b\r\n\(long): c\r\n\r\n")
            #expect(roundTrip("\(long):\(long)\r\n\r\n", .trailers) == "\(long): \(long)\r\n\r\n")
        }
        let short = String(repeating: "a:\r\n", count: 100) + "\r\n"
        #expect(roundTrip(short, .trailers) == String(repeating: "a: \r\n", count: 100) + "\r\n")
    }

    @Test("what is no head is not written", arguments: ["", "HTTP/1.1", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nabc\r\n\r\n", "HTTP/1.1 200 OK\r\na: b", "HTTP/1.1 200 OK\r\na: b\r"])
    func malformed(text: String) {
        #expect(encode(text, .response) == nil)
        #expect(encode(text.replacingOccurrences("HTTP/1.1 200 OK", "GET"), .request(isHTTPS: true, connect: .empty)) == nil)
    }

    @Test("of the characters of names only letters have a case")
    func lowercase() {
        let characters = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
        for start in 0..<9 {
            let name = String(characters.dropFirst(start))
            #expect(roundTrip("\(name): a\r\n\r\n", .trailers) == "\(name.lowercased()): a\r\n\r\n")
        }
        let bytes = (0...255).map { UInt8($0) } + [0x41]
        var copy = [UInt8](repeating: 0, count: bytes.count)
        withExactly(bytes) { LowercaseCopy.copy($0, count: bytes.count, to: &copy) }
        #expect(copy == bytes.map { $0 >= 0x41 && $0 <= 0x5A ? $0 + 0x20 : $0 })
    }

    @Test("all names of the static table are found, in any case, and no others")
    func names() {
        let table = HPACKTables.shared.pointee.fields
        for index in 1...HPACKStaticTable.count {
            let entry = table.entry(index)
            let name = Array(UnsafeBufferPointer(start: entry.text, count: Int(entry.nameCount)))
            let found = name.withUnsafeBufferPointer { table.index(ofName: $0.baseAddress!, count: $0.count) }
            #expect(found > 0 && found <= index && table.entry(found).nameCount == entry.nameCount)
            let upper = name.map { $0 >= 0x61 && $0 <= 0x7A ? $0 - 0x20 : $0 }
            #expect(upper.withUnsafeBufferPointer { table.index(ofName: $0.baseAddress!, count: $0.count) } == found)
            for at in name.indices {
                var other = name
                other[at] ^= 0x01
                #expect(other.withUnsafeBufferPointer { table.index(ofName: $0.baseAddress!, count: $0.count) } == 0)
            }
        }
    }
}

extension String {
    fileprivate func replacingOccurrences(_ part: String, _ other: String) -> String { split(separator: part, omittingEmptySubsequences: false).joined(separator: other) }
}

import SluiceHTTP
import Testing

/// Heads that arrive piece by piece, and heads that somebody has tampered with.
@Suite struct HeadMutationTests {
    static let requests = [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\nGET /a/b?c=d HTTP/1.0\r\n\r\n",
        "POST http://a.example:80/p HTTP/1.1\r\nHost: A.example\r\nContent-Length: 12\r\nExpect: 100-continue\r\nConnection: close, x-y\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\nUpgrade: x\r\nX-Long-Name_1.2: \tvalue \t\r\n\r\n",
    ]
    static let responses = [
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nServer: x\r\n\r\n", "HTTP/1.0 204\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        "HTTP/1.1 500 \r\nTransfer-Encoding: chunked\r\nTrailer: a\r\n\r\n",
    ]

    @Test("every proper prefix of a valid head is incomplete", arguments: requests)
    func requestPrefixes(text: String) {
        let bytes = Array(text.utf8)
        for count in 0..<bytes.count {
            request(bytes[..<count]) { outcome, _, _ in #expect(outcome == .incomplete, "\(count) bytes") }
        }
        request(bytes + Array("rest".utf8)) { outcome, head, _ in
            #expect(outcome == .complete)
            #expect(head.length == bytes.count)
        }
    }

    @Test("every proper prefix of a valid response head is incomplete", arguments: responses)
    func responsePrefixes(text: String) {
        let bytes = Array(text.utf8)
        for count in 0..<bytes.count {
            response(bytes[..<count]) { outcome, _, _ in #expect(outcome == .incomplete, "\(count) bytes") }
        }
        response(bytes) { outcome, head, _ in
            #expect(outcome == .complete)
            #expect(head.length == bytes.count)
        }
    }

    @Test("mutated heads: the verdict on a prefix is the verdict on the whole, or that more is needed")
    func mutations() {
        var random = FixedRandom(state: 0x5EED_0001)
        var verdicts = (complete: 0, malformed: 0)
        for _ in 0..<3000 {
            let isRequest = Bool.random(using: &random)
            var bytes = Array((isRequest ? Self.requests : Self.responses).randomElement(using: &random)!.utf8)
            for _ in 0..<Int.random(in: 1...3, using: &random) { mutate(&bytes, using: &random) }
            let judge = { (part: ArraySlice<UInt8>) in
                isRequest ? request(part) { outcome, _, _ in outcome } : response(part) { outcome, _, _ in outcome }
            }
            let whole = judge(bytes[...])
            switch whole {
            case .complete: verdicts.complete += 1
            case .incomplete: break
            case .malformed: verdicts.malformed += 1
            }
            for count in 0...bytes.count {
                let part = judge(bytes[..<count])
                #expect(part == .incomplete || part == whole, "\(count) bytes of \(String(decoding: bytes, as: UTF8.self))")
            }
        }
        #expect(verdicts.complete > 100 && verdicts.malformed > 1000, "\(verdicts)")
    }

    @Test("mutated chunked bodies: pieces give what the whole gives")
    func chunkedMutations() {
        var random = FixedRandom(state: 0x5EED_0002)
        let bodies = ["5\r\nhello\r\n0\r\n\r\n", "A;a=b;c=\"d\\\"e\"\r\n0123456789\r\n1 ;x\r\nz\r\n00\r\nT: v\r\n\r\n"]
        var complete = 0
        for _ in 0..<3000 {
            var bytes = Array(bodies.randomElement(using: &random)!.utf8)
            for _ in 0..<Int.random(in: 0...2, using: &random) { mutate(&bytes, using: &random) }
            let whole = decode(bytes, pieces: { $0 })
            let pieces = decode(bytes, pieces: { _ in Int.random(in: 1...4, using: &random) })
            #expect(whole == pieces, "\(String(decoding: bytes, as: UTF8.self))")
            if whole.state == .trailers { complete += 1 }
        }
        #expect(complete > 500 && complete < 2900, "\(complete)")
    }

    private func mutate(_ bytes: inout [UInt8], using random: inout FixedRandom) {
        guard !bytes.isEmpty else { return }
        let position = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<5, using: &random) {
        case 0: bytes[position] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes.remove(at: position)
        case 2: bytes.insert(Array("\r\n :,;\t%/0".utf8).randomElement(using: &random)!, at: position)
        case 3: bytes[position] ^= 0x20
        default: bytes.swapAt(position, Int.random(in: 0..<bytes.count, using: &random))
        }
    }
}

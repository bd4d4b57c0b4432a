import Testing
@testable import SluiceHTTP2

/// The examples of RFC 7541, appendix C.
@Suite struct HPACKVectorTests {
    private func check(_ blocks: [(String, String)], _ purpose: HeadAssembly.Purpose, table: Int, sizes: [Int]) {
        for piece in [Int.max, 1, 2, 3, 7] {
            let reader = BlockReader(table: table)
            for (number, block) in blocks.enumerated() {
                #expect(reader.read(hex(block.0), purpose, piece: piece) == BlockReader.Outcome(text: block.1), "block \(number), pieces of \(piece)")
                #expect(reader.decoder.table.size == sizes[number], "block \(number)")
            }
        }
    }

    @Test("C.2.1 and C.2.3: literals with and without a place in the table")
    func literals() {
        check(
            [("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572", "custom-key: custom-header\r\n\r\n"),
             ("1008 7061 7373 776f 7264 0673 6563 7265 74", "password: secret\r\n\r\n"), ("be", "custom-key: custom-header\r\n\r\n")],
            .trailers, table: 4096, sizes: [55, 55, 55])
    }

    private static let requests = [
        "GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n", "GET / HTTP/1.1\r\nHost: www.example.com\r\ncache-control: no-cache\r\n\r\n",
        "GET /index.html HTTP/1.1\r\nHost: www.example.com\r\ncustom-key: custom-value\r\n\r\n",
    ]

    @Test("C.3: requests without Huffman coding")
    func plainRequests() {
        let blocks = [
            "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", "8286 84be 5808 6e6f 2d63 6163 6865",
            "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
        ]
        check(Array(zip(blocks, Self.requests)), .request, table: 4096, sizes: [57, 110, 164])
    }

    @Test("C.4: requests with Huffman coding")
    func codedRequests() {
        let blocks = [
            "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", "8286 84be 5886 a8eb 1064 9cbf",
            "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
        ]
        check(Array(zip(blocks, Self.requests)), .request, table: 4096, sizes: [57, 110, 164])
    }

    private static let responses = [
        "HTTP/1.1 302 \r\ncache-control: private\r\ndate: Mon, 21 Oct 2013 20:13:21 GMT\r\nlocation: https://www.example.com\r\n\r\n",
        "HTTP/1.1 307 \r\ncache-control: private\r\ndate: Mon, 21 Oct 2013 20:13:21 GMT\r\nlocation: https://www.example.com\r\n\r\n",
        "HTTP/1.1 200 \r\ncache-control: private\r\ndate: Mon, 21 Oct 2013 20:13:22 GMT\r\nlocation: https://www.example.com\r\n"
            + "content-encoding: gzip\r\nset-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1\r\n\r\n",
    ]

    @Test("C.5: responses without Huffman coding, in a table that is too small for all")
    func plainResponses() {
        let blocks = [
            """
            4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 \
            3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d
            """,
            "4803 3330 37c1 c0bf",
            """
            88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 \
            514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31
            """,
        ]
        check(Array(zip(blocks, Self.responses)), .response, table: 256, sizes: [222, 222, 215])
    }

    @Test("C.6: the same with Huffman coding")
    func codedResponses() {
        let blocks = [
            """
            4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae \
            43d3
            """,
            "4883 640e ffc1 c0bf",
            """
            88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af \
            2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07
            """,
        ]
        check(Array(zip(blocks, Self.responses)), .response, table: 256, sizes: [222, 222, 215])
    }
}

import Glibc
import Testing

@testable import SluiceHTTP

/// Scans beside the plain rule, one byte at a time, in memory that ends with a page, behind which reading would trap.
@Suite struct ByteScanTests {
    /// A scan and the bytes that it passes over.
    struct Scan: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let run: @Sendable (UnsafePointer<UInt8>, Int, Int) -> Int
        let passes: @Sendable (UInt8) -> Bool
        /// Whether a byte that would pass stops the scan because of the one before it.
        var stopsBehind: @Sendable (UInt8, UInt8) -> Bool = { _, _ in false }
    }

    static let scans = [
        Scan(testDescription: "text", run: { ByteScan.endOfText($0, from: $1, to: $2) }, passes: { $0 == 9 || $0 >= 0x20 && $0 != 0x7F }),
        Scan(
            testDescription: "token", run: { ByteScan.endOfToken($0, from: $1, to: $2) },
            passes: { ByteClass.isMember($0, of: ByteClass.token) }),
        Scan(
            testDescription: "target", run: { ByteScan.endOfTargetPart($0, from: $1, to: $2) },
            passes: { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "#") && $0 != UInt8(ascii: "?") }),
        Scan(
            testDescription: "host name", run: { ByteScan.endOfHostName($0, from: $1, to: $2) },
            passes: { ByteClass.isMember($0, of: ByteClass.hostName) }),
        Scan(
            testDescription: "plain path",
            run: { base, start, end in
                // It looks back by one byte, so it is not asked about the first.
                if start == 0, end > 0, !ByteClass.isMember(base[0], of: ByteClass.plainPath) { return 0 }
                return end == 0 ? 0 : ByteScan.endOfPlainPath(base, from: max(1, start), to: end)
            },
            passes: { ByteClass.isMember($0, of: ByteClass.plainPath) }, stopsBehind: { $0 | $1 == 0x2F }),
        Scan(
            testDescription: "literal path", run: { ByteScan.endOfLiteralPath($0, from: $1, to: $2) },
            passes: { ByteClass.isMember($0, of: ByteClass.plainPath) || $0 == UInt8(ascii: ";") }),
    ]

    /// Runs `body` with the first byte of a page, and with the address of the page behind it, which cannot be read.
    private func withPage(_ body: (UnsafeMutablePointer<UInt8>, UnsafeMutablePointer<UInt8>) -> Void) {
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        guard let memory = mmap(nil, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), memory != MAP_FAILED else {
            Issue.record("no memory")
            return
        }
        defer { munmap(memory, 2 * page) }
        #expect(mprotect(memory + page, page, PROT_NONE) == 0)
        body(memory.assumingMemoryBound(to: UInt8.self), (memory + page).assumingMemoryBound(to: UInt8.self))
    }

    @Test("lengths 0 to 40, every start, a byte that ends the scan at every place: before the end of a page", arguments: scans)
    func everyPlace(scan: Scan) {
        withPage { _, end in
            for count in 0...40 {
                let base = end - count
                for stop in 0...count {
                    base.update(repeating: UInt8(ascii: "a"), count: count)
                    if stop < count { base[stop] = 0 }
                    for start in 0...count {
                        let expected = start > stop ? count : stop
                        #expect(scan.run(base, start, count) == expected, "\(count) bytes from \(start), stop at \(stop)")
                    }
                }
            }
        }
    }

    @Test("nothing is read before the first byte either", arguments: scans)
    func firstByte(scan: Scan) {
        withPage { page, end in
            for count in 0...40 {
                page.update(repeating: UInt8(ascii: "b"), count: count)
                for start in 0...count { #expect(scan.run(page, start, count) == count) }
            }
            _ = end
        }
    }

    @Test("every byte is judged by the rule, at every place of the sixteen and in the last few", arguments: scans)
    func everyByte(scan: Scan) {
        withPage { _, end in
            for byte in UInt8.min...UInt8.max {
                for count in [1, 7, 15, 16, 17, 31, 33] {
                    let base = end - count
                    for place in 0..<count {
                        base.update(repeating: UInt8(ascii: "Z"), count: count)
                        base[place] = byte
                        #expect(scan.run(base, 0, count) == (scan.passes(byte) ? count : place), "byte \(byte) at \(place) of \(count)")
                    }
                }
            }
        }
    }

    @Test("random bytes: the first that the rule stops at", arguments: scans)
    func random(scan: Scan) {
        var random = FixedRandom(state: 0x5CA7)
        withPage { _, end in
            for _ in 0..<20_000 {
                let count = Int.random(in: 0...70, using: &random)
                let base = end - count
                for index in 0..<count {
                    base[index] = Int.random(in: 0..<12, using: &random) == 0
                        ? UInt8.random(in: 0...255, using: &random) : UInt8.random(in: 0x61...0x7A, using: &random)
                }
                let start = Int.random(in: 0...count, using: &random)
                var expected = start
                while expected < count, scan.passes(base[expected]),
                    expected == 0 || !scan.stopsBehind(base[expected - 1], base[expected])
                { expected += 1 }
                #expect(scan.run(base, start, count) == expected)
            }
        }
    }

    @Test("a plain path: two slashes in a row stop the scan wherever they stand")
    func twoSlashes() {
        withPage { _, end in
            for count in 2...50 {
                let base = end - count
                for place in 0..<count - 1 {
                    base.update(repeating: UInt8(ascii: "a"), count: count)
                    base[place] = UInt8(ascii: "/")
                    base[place + 1] = UInt8(ascii: "/")
                    for start in 1..<count {
                        #expect(ByteScan.endOfPlainPath(base, from: start, to: count) == (start <= place + 1 ? place + 1 : count))
                    }
                }
            }
        }
    }

    @Test("hexadecimal digits: sixteen, in lower case, leading zeros kept", arguments: [
        (0, "0000000000000000"), (0x0123_4567_89AB_CDEF, "0123456789abcdef"), (.max, "ffffffffffffffff"), (9, "0000000000000009"),
        (0xA, "000000000000000a"), (0xF0E0_D0C0_B0A0_9080, "f0e0d0c0b0a09080"),
    ] as [(UInt64, String)])
    func hexadecimal(number: UInt64, text: String) {
        withPage { _, end in
            let memory = end - Hexadecimal.digitCount
            Hexadecimal.write(number, into: memory)
            #expect(ByteView(base: memory, count: Hexadecimal.digitCount).string == text)
        }
    }
}

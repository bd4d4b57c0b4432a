import Glibc

@testable import SluiceHTTP

/// Addresses, blocks, authorities, dates and base64: what is taken agrees with the C library and reads the same when written anew.
enum AddressFuzz: FuzzTarget {
    static let name = "address"

    static func run(_ input: ByteView) {
        guard !input.buffer.contains(0) else { return }
        checkAddress(input)
        if let block = CIDR(input) {
            require(block.first <= block.last && (0...128).contains(block.prefixCount), "\(block)")
            require(CIDR(block.description) == CIDR(block.description), "a block that is not itself")
            require(CIDR(block.description)?.first == block.first && CIDR(block.description)?.last == block.last, "\(block)")
        }
        if let authority = Authority.parse(input) {
            require(authority.hostCount > 0 && authority.hostCount <= input.count, "a host beyond its authority")
            require(!input[..<authority.hostCount].buffer.contains { $0 <= 0x20 || $0 >= 0x7F || $0 == 0x2F || $0 == 0x40 }, "no host")
        }
        checkBase64(input)
    }

    private static func checkAddress(_ input: ByteView) {
        let text = String(decoding: input.buffer, as: UTF8.self)
        var v4 = in_addr()
        var v6 = in6_addr()
        let isV4 = inet_pton(AF_INET, text, &v4) == 1
        let isV6 = inet_pton(AF_INET6, text, &v6) == 1
        guard let address = IPAddress(input) else {
            return require(!isV4 && !isV6, "the C library takes \(text), we do not")
        }
        require(isV4 || isV6, "we take \(text), the C library does not")
        require(IPAddress("\(address)") == address, "\(text) is written as \(address)")
        if isV4 { require(address.v4 == UInt32(bigEndian: v4.s_addr), "\(text) is another address") }
        if isV6 {
            withUnsafeBytes(of: v6) { bytes in
                withCopy(bytes) { _, view in require(IPAddress(networkOrder: view) == address, "\(text) is another address") }
            }
        }
    }

    private static func checkBase64(_ input: ByteView) {
        let out = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, Base64.decodedCountMax(input.count)))
        defer { out.deallocate() }
        if let count = Base64.decode(input, into: out) {
            require(written(ByteView(base: out, count: count), Base64.encodedCount(count), Base64.encode) == input.array, "base64 has two texts")
        }
        let other = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, Base64URL.decodedCount(input.count)))
        defer { other.deallocate() }
        if let count = Base64URL.decode(input, into: other) {
            let text = written(ByteView(base: other, count: count), Base64URL.encodedCount(count), Base64URL.encode)
            require(text == input.array, "base64url has two texts")
        }
    }

    private static func written(_ bytes: ByteView, _ room: Int, _ encode: (ByteView, UnsafeMutablePointer<UInt8>) -> Int) -> [UInt8] {
        let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, room))
        defer { memory.deallocate() }
        let count = encode(bytes, memory)
        require(count == room, "\(count) characters where \(room) are said")
        return Array(UnsafeBufferPointer(start: memory, count: count))
    }
}

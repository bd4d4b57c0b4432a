import Glibc
import SluiceCallers
import SluiceCrypto
import SluiceHTTP

/// A million callers with a key each: bytes of memory for each, and nanoseconds of SHA-256 and of a look-up.
///
///     swift build -c release --product counting-benchmark && .build/release/counting-benchmark callers
func measureCallers(_ count: Int) {
    func key(_ number: Int) -> [UInt8] {
        let digits = Array(String(number).utf8)
        return Array("caller-with-a-key-of-forty-characters-and-more".utf8.prefix(40 - digits.count)) + digits
    }
    func digest(_ key: [UInt8], into place: UnsafeMutableRawPointer) {
        key.withUnsafeBufferPointer { _ = SHA256Hash.write(ByteView(base: $0.baseAddress.unsafelyUnwrapped, count: $0.count), into: place) }
    }
    let residentBefore = residentBytes()
    var table = CallerTable()
    for number in 0..<count {
        var bytes = [UInt8](repeating: 0, count: KeyDigest.byteCount)
        bytes.withUnsafeMutableBytes { digest(key(number), into: $0.baseAddress.unsafelyUnwrapped) }
        let entry = CallerTable.Entry(
            id: UInt32(number + 1), name: Array("caller-\(number)".utf8), isEnabled: true, notBefore: nil, expires: nil,
            grants: [.init(domain: CallerView.everyDomain, plan: 1)], digests: [KeyDigest(bytes)].compactMap { $0 })
        while !table.put(entry, replacing: []) { table = table.grown(for: entry) }
    }
    let written = table.byteCount
    print("\(count) callers: \(Double(written) / Double(count)) bytes each; the process has grown by \((residentBytes() - residentBefore) >> 20) MiB")

    // What is asked for, laid out beforehand.
    let tries = 1_000_000
    var state: UInt64 = 1
    let order = (0..<tries).map { _ -> Int in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(state >> 33) % count
    }
    let keys = UnsafeMutablePointer<UInt8>.allocate(capacity: tries * 40)
    let digests = UnsafeMutableRawPointer.allocate(byteCount: tries * KeyDigest.byteCount, alignment: 32)
    for (index, number) in order.enumerated() {
        let own = key(number)
        (keys + index * 40).update(from: own, count: 40)
        digest(own, into: digests + index * KeyDigest.byteCount)
    }
    var found = 0
    func measure(_ what: String, _ body: (Int) -> Bool) {
        for index in 0..<tries { _ = body(index) }
        found = 0
        let start = monotonic()
        for index in 0..<tries where body(index) { found += 1 }
        print("\(what): \(Double(monotonic() - start) / Double(tries)) ns (\(found) found)")
    }
    let view = table.place
    func find(_ index: Int) -> Bool {
        guard let caller = view.pointee.find(digests + index * KeyDigest.byteCount) else { return false }
        return caller.isEnabled && view.pointee.grant(of: caller, domain: 7) != nil
    }
    let own = UnsafeMutableRawPointer.allocate(byteCount: KeyDigest.byteCount, alignment: 32)
    measure("SHA-256") { SHA256Hash.write(ByteView(base: keys + $0 * 40, count: 40), into: own) }
    // What a gateway mostly meets: those who call are a part of those who may.
    for callers in [1000, 10_000, 100_000, tries] { measure("look-up and plan, \(callers) of them call") { find($0 % callers) } }
    var sum = 0
    measure("one read of memory after the other, at random") { index in
        sum &+= Int(digests.load(fromByteOffset: ((order[index] &+ sum) & Int.max) % tries * KeyDigest.byteCount, as: UInt8.self))
        return sum != .max
    }
    keys.deallocate()
    digests.deallocate()
    own.deallocate()
}

/// Of this process, by the kernel's count.
private func residentBytes() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 128)
    guard fgets(&line, 128, file) != nil else { return 0 }
    let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return (text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 4096
}

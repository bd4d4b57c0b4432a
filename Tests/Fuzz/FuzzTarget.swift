import Glibc
import SluiceHTTP

/// One thing that is fuzzed: a reader of what comes from outside, and what must hold for every input.
protocol FuzzTarget {
    /// As `scripts/fuzz` takes it, and as its folder under `Corpora` is called.
    static var name: String { get }
    /// Lets the process end with a message if a property does not hold. The memory of `input` is exactly as large as it is.
    static func run(_ input: ByteView)
}

/// Ends the process, which libFuzzer reports with the input, unless the property holds.
func require(_ holds: Bool, _ property: @autoclosure () -> String, line: Int = #line, file: String = #fileID) {
    guard !holds else { return }
    let message = Array("PROPERTY at \(file):\(line): \(property())\n".utf8)
    _ = write(STDERR_FILENO, message, message.count)
    abort()
}

/// Runs `body` on a copy in memory of exactly that size, so that AddressSanitizer sees any access beyond it.
func withCopy<Result>(_ bytes: some Collection<UInt8>, _ body: (UnsafeMutablePointer<UInt8>, ByteView) -> Result) -> Result {
    let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes.count)
    defer { memory.deallocate() }
    _ = UnsafeMutableBufferPointer(start: memory, count: bytes.count).initialize(from: bytes)
    return body(memory, ByteView(base: memory, count: bytes.count))
}

extension ByteView {
    var array: [UInt8] { Array(buffer) }

    /// Lengths of prefixes to try: all of a short input, of a longer one those near both ends and some between.
    var prefixCounts: [Int] {
        guard count > 160 else { return Array(0..<count) }
        return Array(0..<48) + stride(from: 48, to: count - 48, by: max(1, count / 48)) + Array(count - 48..<count)
    }
}

nonisolated(unsafe) private let targets: [any FuzzTarget.Type] = [
    AddressFuzz.self, ChunkedBodyFuzz.self, ConfigurationFuzz.self, ForwardedForFuzz.self, GatewayFuzz.self, HMACAuthorizationFuzz.self,
    HPACKFuzz.self, HTTP2Fuzz.self,
    JSONFuzz.self, JSONSchemaFuzz.self, JWTFuzz.self, KeySetFuzz.self, PathFuzz.self, ProxyHeaderFuzz.self, RequestHeadFuzz.self, ResponseHeadFuzz.self, RewriteFuzz.self,
    SwaggerFuzz.self, TimestampFuzz.self,
]

/// The target that the environment names; one binary holds all.
nonisolated(unsafe) private let chosen: any FuzzTarget.Type = {
    let name = getenv("SLUICE_FUZZ_TARGET").map { String(cString: $0) } ?? ""
    if let target = targets.first(where: { $0.name == name }) { return target }
    // `list` is what scripts/fuzz asks for.
    let names = Array(targets.map { $0.name + "\n" }.joined().utf8)
    _ = write(STDOUT_FILENO, names, names.count)
    // Past libFuzzer, which takes an exit for a finding.
    _exit(name == "list" ? 0 : 2)
}()

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    if let bytes {
        chosen.run(ByteView(base: bytes, count: count))
    } else {
        chosen.run(.empty)
    }
    return 0
}

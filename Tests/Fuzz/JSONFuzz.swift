import Foundation

@testable import SluiceGateway
@testable import SluiceHTTP

/// `ClaimScanner`: takes nothing that Foundation's reader of JSON refuses, and the members have the names that it finds.
enum JSONFuzz: FuzzTarget {
    static let name = "json"
    nonisolated(unsafe) private static let memory = ClaimScanner.Memory.allocate(textBytesMax: 1 << 20)

    static func run(_ input: ByteView) {
        guard let object = ClaimScanner.scan(input, memory: memory) else { return }
        // A number beyond what a double holds is refused by Foundation alone.
        guard !input.buffer.contains(where: { $0 == 0x65 || $0 == 0x45 }) || !input.buffer.contains(where: { (0x30...0x39).contains($0) }),
            input.count < 200
        else { return }
        let other = try? JSONSerialization.jsonObject(with: Data(input.buffer)) as? [String: Any]
        guard let other else { return require(false, "Foundation refuses it") }
        // Names that only Unicode takes for equal are one to Foundation.
        require(other.count <= object.count, "fewer members than \(other.keys)")
        guard other.count == object.count else { return }
        for key in other.keys {
            withCopy(Array(key.utf8)) { _, name in
                let value = object.value(of: name)
                require(value != nil, "the member \(key) is not found by its name")
                if let value, value.kind == .number { _ = NumericDate.read(value) }
            }
        }
    }
}

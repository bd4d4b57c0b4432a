import Foundation

@testable import SluiceGateway
@testable import SluiceHTTP

/// `ClaimScanner`: takes nothing that Foundation's reader of JSON refuses, and the members have the names that it finds.
enum JSONFuzz: FuzzTarget {
    static let name = "json"
    nonisolated(unsafe) private static let memory = ClaimScanner.Memory.allocate(capacity: 64)

    static func run(_ input: ByteView) {
        guard let object = ClaimScanner.scan(input, memory: memory, membersMax: 64) else { return }
        let names = (0..<object.count).map { KeySet.bytes(object.members[$0].name) }
        require(Set(names).count == names.count, "one name twice")
        for index in 0..<object.count {
            let member = object.members[index]
            withCopy(names[index]) { _, name in
                require(object.value(of: name)?.raw.equals(member.value.raw) == true, "a member is not found by its name")
            }
            if member.value.kind == .number { _ = NumericDate.read(member.value) }
        }
        // A number beyond what a double holds is refused by Foundation alone.
        guard !input.buffer.contains(where: { $0 == 0x65 || $0 == 0x45 }) || !input.buffer.contains(where: { (0x30...0x39).contains($0) }),
            input.count < 200
        else { return }
        let other = try? JSONSerialization.jsonObject(with: Data(input.buffer)) as? [String: Any]
        guard let other else { return require(false, "Foundation refuses it") }
        require(
            Set(other.keys.map { Array($0.utf8) }) == Set(names) || other.count < names.count,
            "other members: \(other.keys) and \(names.map { String(decoding: $0, as: UTF8.self) })")
    }
}

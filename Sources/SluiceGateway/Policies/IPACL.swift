import SluiceConfiguration
import SluiceHTTP

/// Admits or refuses a request by the client's address.
///
/// IPv4 blocks also match IPv4-mapped IPv6 addresses (RFC 4291, 2.5.5.2), which are the same value here. An IPv6 block
/// matches no IPv4 client, however wide: `::/0` is all of IPv6. An empty list is taken at its word: `permit: true` then
/// admits nobody.
///
/// Refuses with `.addressNotAllowed`. Never suspends. O(log n) in the number of blocks.
enum IPACL: Policy {
    static let key = "ipAcl"

    static let declaration = PolicyDeclaration(
        places: [.init(level: .domain, meaning: "Permits or denies requests by the client's address.")],
        form: .mapping([
            .init("permit", .boolean, .required, "`true`: only the listed addresses pass. `false`: all other addresses pass."),
            .init("addresses", .list(.text("IP address or CIDR block")), .required, "The addresses. With an empty list and `permit: true`, nobody passes."),
        ]),
        refusals: [.addressNotAllowed], keepsOut: true)

    struct Configuration: Equatable, Sendable {
        /// True: only `addresses` pass. False: all others pass. No default: it would hide a mistake.
        var permit: Bool
        /// Addresses and CIDR blocks (RFC 4632), for example `10.0.0.0/8` or `::1`, without bits beyond the prefix.
        var addresses: [Located<String>]
    }

    /// Both ends included.
    struct Block: BitwiseCopyable, Equatable {
        var first, last: IPAddress
    }

    struct Compiled: CompiledPolicy {
        /// Sorted and disjoint: `compile` establishes it, `contains` relies on it.
        let blocks: ArenaSlice<Block>
        let permit: Bool

        func evaluate(_ exchange: inout Exchange) -> Verdict {
            contains(exchange.client) == permit ? .proceed : .refuse(.addressNotAllowed)
        }

        private func contains(_ address: IPAddress) -> Bool {
            var low = 0
            var high = blocks.count
            while low < high {
                let middle = (low + high) / 2
                let block = blocks[middle]
                if address < block.first {
                    high = middle
                } else if block.last < address {
                    low = middle + 1
                } else {
                    return true
                }
            }
            return false
        }
    }

    static func read(_ node: ConfigurationNode, problems: Problems) -> Configuration? {
        let before = problems.count
        guard let reader = MappingReader(node, problems) else { return nil }
        let permit = reader.requiredBool("permit")
        let addresses = reader.requiredStrings("addresses")
        reader.finish()
        guard let permit, let addresses, problems.count == before else {
            // Not compiled then, and a run tells of every problem.
            for address in addresses?.value ?? [] { _ = blocks(address, problems) }
            return nil
        }
        return Configuration(permit: permit.value, addresses: addresses.value)
    }

    static func compile(_ configuration: Configuration, into snapshot: SnapshotBuilder) -> Compiled? {
        let before = snapshot.problems.count
        let blocks = configuration.addresses.flatMap { self.blocks($0, snapshot.problems) }
        guard snapshot.problems.count == before else { return nil }
        return Compiled(blocks: snapshot.arena.store(sortedAndMerged(blocks)), permit: configuration.permit)
    }

    /// The blocks that one entry stands for: none and a problem, or one, or two around the place that IPv4 has in IPv6.
    private static func blocks(_ entry: Located<String>, _ problems: Problems) -> [Block] {
        guard let block = CIDR(entry.value) else {
            problems.add(
                at: entry, found: Quoting.quoted(entry.value), allowed: "an address or a CIDR block, such as 10.0.0.0/8 or ::1")
            return []
        }
        guard block.isCanonical else {
            problems.add(
                at: entry, found: "\(Quoting.quoted(entry.value)), which has bits beyond its prefix",
                allowed: "the block itself: \(block)")
            return []
        }
        guard !block.first.isV4, block.contains(IPAddress(v4: 0)) else {
            return [Block(first: block.first, last: block.last)]
        }
        return [
            Block(first: block.first, last: IPAddress(high: 0, low: 0xFFFE_FFFF_FFFF)),
            Block(first: IPAddress(high: 0, low: 0x1_0000_0000_0000), last: block.last),
        ]
    }

    private static func sortedAndMerged(_ blocks: [Block]) -> [Block] {
        var merged: [Block] = []
        for block in blocks.sorted(by: { $0.first < $1.first }) {
            if let previous = merged.last, block.first <= previous.last {
                merged[merged.count - 1].last = max(previous.last, block.last)
            } else {
                merged.append(block)
            }
        }
        return merged
    }
}

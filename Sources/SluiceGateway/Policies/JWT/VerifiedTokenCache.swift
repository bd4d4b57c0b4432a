import Glibc
import SluiceCrypto
import SluiceHTTP

/// What was found in a token whose signature and claims are right.
struct VerifiedClaims: BitwiseCopyable {
    /// The first whole second at which the token is no longer valid, with its issuer's leeway; nil if it has no `exp`.
    var expiry: Int64?
    /// The first whole second at which it is valid, with its issuer's leeway; nil if it has no `nbf`.
    var notBefore: Int64?
    /// Values of the headers that bear claims, in the order of `Exchange.forwardedClaims`; empty for an absent claim.
    var values: InlineArray<8, ByteView>
    var valueCount: Int
}

/// Tokens that one worker has verified for one policy, so that the same token costs neither a signature (15 microseconds
/// with RS256) nor a reading of its claims again. Times are not remembered as passed: they are checked at every hit.
///
/// A ring of bytes takes the records one after the other and overwrites the oldest; an index of sets of four finds them by
/// a seeded hash. A hit compares the whole token. Positions in the ring only ever grow: a record is intact as long as the
/// writer is less than one ring ahead of it. The memory is fixed: 1 KiB of ring and 16 bytes of index for each entry.
final class VerifiedTokenCache {
    /// A longer token is verified every time.
    static let tokenBytesMax = 4096
    static let ways = 4
    private static let entriesMin = 16
    private static let ringBytesPerEntry = 1024

    fileprivate struct Place: BitwiseCopyable {
        var hash: UInt64
        /// Where the record begins; 0: none.
        var position: UInt64
    }

    fileprivate struct Record: BitwiseCopyable {
        var generation: UInt64
        var expiry: Int64?
        var notBefore: Int64?
        var tokenCount: UInt32
        var valueCount: UInt32
        var valueCounts: InlineArray<8, UInt32>
    }

    fileprivate struct Core {
        var ring: UnsafeMutableRawPointer
        var ringBytes: UInt64
        /// Where the next record goes.
        var head: UInt64
        var index: UnsafeMutablePointer<Place>
        var setMask: UInt64
        var seed: UInt64
        var multiplier: UInt64
    }

    /// Valid as long as the cache. A handle of a cache without entries finds nothing.
    struct Handle: BitwiseCopyable {
        fileprivate let core: UnsafeMutablePointer<Core>?

        /// What is known of the token. The views are valid until the next `insert`.
        ///
        /// - Parameter generation: of the keys in use: a token verified under others is unknown.
        func find(_ token: ByteView, generation: UInt64) -> VerifiedClaims? {
            guard let core, token.count <= VerifiedTokenCache.tokenBytesMax else { return nil }
            let hash = Self.hash(token, core)
            let set = core.pointee.index + Int(hash & core.pointee.setMask) * VerifiedTokenCache.ways
            var way = 0
            while way < VerifiedTokenCache.ways {
                if set[way].hash == hash, Self.isIntact(set[way], core),
                    let claims = Self.read(set[way], token, generation, core)
                {
                    return claims
                }
                way += 1
            }
            return nil
        }

        /// Remembers a token; one that is too long, with its values, is left out.
        func insert(_ token: ByteView, generation: UInt64, claims: VerifiedClaims) {
            guard let core, token.count <= VerifiedTokenCache.tokenBytesMax else { return }
            var count = MemoryLayout<Record>.stride + token.count
            for index in 0..<claims.valueCount { count += claims.values[index].count }
            count = (count + 7) & ~7
            guard UInt64(count) <= core.pointee.ringBytes / 4 else { return }
            let position = Self.reserve(UInt64(count), core)
            Self.write(token, generation, claims, at: position, core)
            let hash = Self.hash(token, core)
            let set = core.pointee.index + Int(hash & core.pointee.setMask) * VerifiedTokenCache.ways
            var oldest = 0
            for way in 1..<VerifiedTokenCache.ways where set[way].position < set[oldest].position { oldest = way }
            set[oldest] = Place(hash: hash, position: position)
        }

        private static func isIntact(_ place: Place, _ core: UnsafeMutablePointer<Core>) -> Bool {
            place.position != 0 && place.position + core.pointee.ringBytes >= core.pointee.head
        }

        private static func read(
            _ place: Place, _ token: ByteView, _ generation: UInt64, _ core: UnsafeMutablePointer<Core>
        ) -> VerifiedClaims? {
            let start = core.pointee.ring + Int(place.position % core.pointee.ringBytes)
            let record = start.assumingMemoryBound(to: Record.self)
            guard record.pointee.generation == generation, record.pointee.tokenCount == token.count else { return nil }
            var bytes = UnsafePointer((start + MemoryLayout<Record>.stride).assumingMemoryBound(to: UInt8.self))
            guard memcmp(bytes, token.base, token.count) == 0 else { return nil }
            bytes += token.count
            var claims = VerifiedClaims(
                expiry: record.pointee.expiry, notBefore: record.pointee.notBefore,
                values: InlineArray(repeating: .empty), valueCount: Int(record.pointee.valueCount))
            for index in 0..<claims.valueCount {
                let count = Int(record.pointee.valueCounts[index])
                claims.values[index] = ByteView(base: bytes, count: count)
                bytes += count
            }
            return claims
        }

        /// A run of the ring that does not cross its end.
        private static func reserve(_ count: UInt64, _ core: UnsafeMutablePointer<Core>) -> UInt64 {
            let room = core.pointee.ringBytes - core.pointee.head % core.pointee.ringBytes
            if room < count { core.pointee.head += room }
            defer { core.pointee.head += count }
            return core.pointee.head
        }

        private static func write(
            _ token: ByteView, _ generation: UInt64, _ claims: VerifiedClaims, at position: UInt64,
            _ core: UnsafeMutablePointer<Core>
        ) {
            let start = core.pointee.ring + Int(position % core.pointee.ringBytes)
            var counts = InlineArray<8, UInt32>(repeating: 0)
            var bytes = (start + MemoryLayout<Record>.stride).assumingMemoryBound(to: UInt8.self)
            bytes.update(from: token.base, count: token.count)
            bytes += token.count
            for index in 0..<claims.valueCount {
                let value = claims.values[index]
                counts[index] = UInt32(value.count)
                bytes.update(from: value.base, count: value.count)
                bytes += value.count
            }
            start.assumingMemoryBound(to: Record.self).initialize(
                to: Record(
                    generation: generation, expiry: claims.expiry, notBefore: claims.notBefore,
                    tokenCount: UInt32(token.count), valueCount: UInt32(claims.valueCount), valueCounts: counts))
        }

        /// Eight bytes at a time, multiplied and folded. The seed keeps anybody from choosing tokens that meet in one set;
        /// only verified ones are stored at all.
        private static func hash(_ token: ByteView, _ core: UnsafeMutablePointer<Core>) -> UInt64 {
            var hash = core.pointee.seed ^ UInt64(token.count)
            let multiplier = core.pointee.multiplier
            var index = 0
            while index + 8 <= token.count {
                let word = UnsafeRawPointer(token.base + index).loadUnaligned(as: UInt64.self)
                hash = fold(hash ^ word, multiplier)
                index += 8
            }
            var tail: UInt64 = 0
            while index < token.count {
                tail = tail << 8 | UInt64(token[index])
                index += 1
            }
            return fold(fold(hash ^ tail, multiplier), core.pointee.seed | 1)
        }

        private static func fold(_ left: UInt64, _ right: UInt64) -> UInt64 {
            let product = left.multipliedFullWidth(by: right)
            return product.high ^ product.low
        }
    }

    let handle: Handle

    private let memory: SystemMemory?

    /// - Parameters:
    ///   - entries: tokens, rounded up to a power of two from 16; 0 or less: none. It is fewer where the system has not so much memory.
    ///   - allocate: memory of so many bytes, all zeros: places that hold none.
    init(entries: Int, allocate: (Int) -> SystemMemory? = SystemMemory.allocate) {
        let entryBytes = Self.ringBytesPerEntry + MemoryLayout<Place>.stride
        var rounded = entries > 0 ? Self.entriesMin : 0
        while rounded < min(entries, 1 << 20) { rounded *= 2 }
        var memory: SystemMemory?
        while rounded >= Self.entriesMin, memory == nil {
            memory = allocate(rounded * entryBytes)
            if memory == nil { rounded /= 2 }
        }
        self.memory = memory
        guard let memory else {
            handle = Handle(core: nil)
            return
        }
        let ringBytes = rounded * Self.ringBytesPerEntry
        let places = (memory.base + ringBytes).bindMemory(to: Place.self, capacity: rounded)
        var seeds: (UInt64, UInt64) = (0, 0)
        withUnsafeMutableBytes(of: &seeds) { bytes in
            // Without the generator of OpenSSL, the system's own through the standard library.
            if (try? Random.fill(bytes)) == nil { bytes.storeBytes(of: UInt64.random(in: 0...UInt64.max), as: UInt64.self) }
        }
        let core = UnsafeMutablePointer<Core>.allocate(capacity: 1)
        core.initialize(
            to: Core(
                ring: memory.base, ringBytes: UInt64(ringBytes), head: UInt64(ringBytes),
                index: places, setMask: UInt64(rounded / Self.ways - 1), seed: seeds.0, multiplier: seeds.1 | 1))
        handle = Handle(core: core)
    }

    deinit {
        memory?.deallocate()
        handle.core?.deallocate()
    }
}

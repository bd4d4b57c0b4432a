import SluiceHTTP

/// Byte strings to numbers: an open-addressing hash table in an arena.
///
/// A look-up hashes once and looks at no more than `probes` slots, which is known when the table is built: what a
/// client sends cannot lengthen it. Letters can be looked up in any case, without a copy, where the keys hold no
/// upper-case letter: the hash is of bytes with bit 5 set, and case is told apart only where it was asked for.
struct ByteTable: BitwiseCopyable {
    struct Slot: BitwiseCopyable {
        var text: UnsafePointer<UInt8>?
        var count: UInt32
        var hash: UInt32
        var value: UInt32
    }

    private let slots: UnsafePointer<Slot>?
    private let mask: UInt32
    /// The longest way from a key's home to its slot, and one.
    private let probes: UInt32

    /// The table without keys.
    init() {
        self.init(slots: nil, mask: 0, probes: 0)
    }

    private init(slots: UnsafePointer<Slot>?, mask: UInt32, probes: UInt32) {
        self.slots = slots
        self.mask = mask
        self.probes = probes
    }

    /// Keys that are all different. At most half of the slots are taken, less where keys crowd.
    init(_ keys: [(text: ByteView, value: UInt32)], into arena: Arena) {
        guard !keys.isEmpty else {
            self.init()
            return
        }
        var capacity = 1
        while capacity < keys.count * 2 && keys.count > 1 { capacity *= 2 }
        while true {
            let built = Self.build(keys, capacity: capacity)
            if built.probes <= Self.probesMax || capacity > keys.count * 16 {
                self.init(slots: arena.store(built.slots).base, mask: UInt32(capacity - 1), probes: UInt32(built.probes))
                return
            }
            capacity *= 2
        }
    }

    var isEmpty: Bool { slots == nil }

    /// The value of a key.
    func value(of key: ByteView) -> UInt32? { value(of: key) { Self.isEqual(key, $0) } }

    /// The value of the key that this is once ASCII letters are put in lower case.
    func value(ofAnyCase key: ByteView) -> UInt32? {
        value(of: key) { key.equalsIgnoringCase(ByteView(base: $0, count: key.count)) }
    }

    /// - Parameter isKey: whether the text, which has the key's hash and length, is the key.
    @inline(__always)
    private func value(of key: ByteView, _ isKey: (UnsafePointer<UInt8>) -> Bool) -> UInt32? {
        guard let slots else { return nil }
        let hash = Self.hash(key)
        var index = hash & mask
        var left = probes
        while left > 0 {
            let slot = slots + Int(index)
            guard let text = slot.pointee.text else { return nil }
            if slot.pointee.hash == hash, slot.pointee.count == key.count, isKey(text) { return slot.pointee.value }
            index = (index &+ 1) & mask
            left -= 1
        }
        return nil
    }

    /// More probes than this, and the table is built again with twice the slots.
    private static let probesMax = 16

    private static func build(
        _ keys: [(text: ByteView, value: UInt32)], capacity: Int
    ) -> (slots: [Slot], probes: Int) {
        var slots = [Slot](repeating: Slot(text: nil, count: 0, hash: 0, value: 0), count: capacity)
        var probes = 0
        for key in keys {
            let hash = Self.hash(key.text)
            var index = Int(hash) & (capacity - 1)
            var distance = 1
            while slots[index].text != nil {
                index = (index + 1) & (capacity - 1)
                distance += 1
            }
            slots[index] = Slot(
                text: key.text.base, count: UInt32(key.text.count), hash: hash, value: key.value)
            probes = max(probes, distance)
        }
        return (slots, probes)
    }

    /// Eight bytes a step, each folded with a full-width product. The keys are the operator's, so it needs no secret.
    private static func hash(_ key: ByteView) -> UInt32 {
        var hash: UInt64 = 0x9E37_79B9_7F4A_7C15 ^ UInt64(truncatingIfNeeded: key.count)
        var at = 0
        while key.count - at > 8 {
            hash = fold(hash, word(key, at) | 0x2020_2020_2020_2020)
            at += 8
        }
        hash = fold(hash, lastWord(key) | 0x2020_2020_2020_2020)
        return UInt32(truncatingIfNeeded: hash ^ hash >> 32)
    }

    private static func fold(_ hash: UInt64, _ word: UInt64) -> UInt64 {
        let product = (hash ^ word).multipliedFullWidth(by: 0xD6E8_FEB8_6659_FD93)
        return product.high ^ product.low
    }

    /// As `ByteView.equals`, by words. `text` has as many bytes as `key`.
    private static func isEqual(_ key: ByteView, _ text: UnsafePointer<UInt8>) -> Bool {
        let other = ByteView(base: text, count: key.count)
        var at = 0
        while key.count - at > 8 {
            if word(key, at) != word(other, at) { return false }
            at += 8
        }
        return lastWord(key) == lastWord(other)
    }

    @inline(__always)
    private static func word(_ key: ByteView, _ at: Int) -> UInt64 {
        UnsafeRawPointer(key.base).loadUnaligned(fromByteOffset: at, as: UInt64.self)
    }

    /// The last eight bytes, some of which a word before may hold too. Of fewer, every one at least once, at places
    /// that depend on their number alone.
    @inline(__always)
    private static func lastWord(_ key: ByteView) -> UInt64 {
        let bytes = UnsafeRawPointer(key.base)
        let count = key.count
        if count >= 8 { return word(key, count - 8) }
        if count >= 4 {
            let first = bytes.loadUnaligned(as: UInt32.self)
            let last = bytes.loadUnaligned(fromByteOffset: count - 4, as: UInt32.self)
            return UInt64(first) | UInt64(last) << 32
        }
        if count == 0 { return 0 }
        return UInt64(key.base[0]) | UInt64(key.base[count / 2]) << 8 | UInt64(key.base[count - 1]) << 16
    }
}

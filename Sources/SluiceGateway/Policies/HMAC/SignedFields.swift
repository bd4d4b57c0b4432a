import SluiceCrypto
import SluiceHTTP

/// The fields that a signature covers: those that its sender lists, found in one pass over the list and one over the fields, whatever
/// both are.
///
/// Lives in the worker's scratch memory, until the evaluation's end. Names are found by a hash under a seed of the policy's own, and
/// compared only where the whole hash agrees.
struct SignedFields: BitwiseCopyable {
    /// Names that a list may have.
    static let namesMax = 32
    /// Bytes of a listed name.
    static let nameBytesMax = 256
    private static let placesMax = 64

    private struct Name: BitwiseCopyable {
        /// As it is listed.
        var text: ByteView
        var hash: UInt64
        /// The first and the last field line of this name; -1: none.
        var first: Int32
        var last: Int32
    }

    private let names: UnsafeMutablePointer<Name>
    private var count = 0
    /// Number of the name that stands there, plus one; 0: free.
    private let places: UnsafeMutablePointer<UInt8>
    /// For each field line the next of the same listed name; -1: none.
    private let nextLine: UnsafeMutablePointer<Int32>
    /// Room for `\n`, a name and a colon.
    private let line: UnsafeMutablePointer<UInt8>
    private let seed: UInt64
    /// Bit n: a name of n bytes, modulo 64, is listed.
    private var lengths: UInt64 = 0

    /// - Parameter list: names with commas between them; may be empty.
    /// - Returns: nil for a list that is malformed, too long, or names a field twice, which its sender would have hashed as often as it likes.
    init?(_ list: ByteView, in exchange: Exchange, seed: UInt64) {
        let fields = exchange.head.fields
        let base = (UInt(bitPattern: exchange.context.pointee.scratch) + 15) & ~15
        let start = UnsafeMutableRawPointer(bitPattern: base).unsafelyUnwrapped
        let nameBytes = Self.namesMax * MemoryLayout<Name>.stride
        let lineBytes = fields.count * MemoryLayout<Int32>.stride
        guard exchange.context.pointee.scratchCapacity >= 16 + nameBytes + lineBytes + Self.placesMax + Self.nameBytesMax + 2 else { return nil }
        names = start.bindMemory(to: Name.self, capacity: Self.namesMax)
        nextLine = (start + nameBytes).bindMemory(to: Int32.self, capacity: fields.count)
        places = (start + nameBytes + lineBytes).bindMemory(to: UInt8.self, capacity: Self.placesMax)
        line = places + Self.placesMax
        self.seed = seed
        guard !list.isEmpty else { return }
        places.update(repeating: 0, count: Self.placesMax)
        guard read(list) else { return nil }
        findLines(fields, exchange.headBytes)
    }

    private mutating func read(_ list: ByteView) -> Bool {
        var listed = ListedHeaders(list)
        while let text = listed.next() {
            guard count < Self.namesMax, text.count <= Self.nameBytesMax else { return false }
            let hash = hash(text)
            let place = place(of: text, hash)
            guard places[place] == 0 else { return false }
            names[count] = Name(text: text, hash: hash, first: -1, last: -1)
            count += 1
            places[place] = UInt8(count)
            lengths |= 1 << UInt64(text.count & 63)
        }
        return !listed.isMalformed
    }

    private func findLines(_ fields: FieldTable, _ bytes: ByteView) {
        var index = 0
        while index < fields.count {
            let text = bytes[fields[index].name]
            if lengths & 1 << UInt64(text.count & 63) != 0 {
                let found = Int(places[place(of: text, hash(text))]) - 1
                if found >= 0 {
                    nextLine[index] = -1
                    if names[found].first < 0 {
                        names[found].first = Int32(index)
                    } else {
                        nextLine[Int(names[found].last)] = Int32(index)
                    }
                    names[found].last = Int32(index)
                }
            }
            index += 1
        }
    }

    /// Whether the name, in any case, is listed and a line of it was received.
    func cover(_ name: ByteView) -> Bool {
        guard count > 0 else { return false }
        let found = Int(places[place(of: name, hash(name))]) - 1
        return found >= 0 && names[found].first >= 0
    }

    /// Appends `\nname:value` for every listed name that is present: in lower case, the values of its lines joined by commas.
    @inline(never)
    func update(_ context: KeyedHMAC.Handle, _ exchange: Exchange) {
        let bytes = exchange.headBytes
        let fields = exchange.head.fields
        for number in 0..<count where names[number].first >= 0 {
            let text = names[number].text
            line[0] = UInt8(ascii: "\n")
            for index in 0..<text.count { line[index + 1] = text[index].asciiLowercased }
            line[text.count + 1] = UInt8(ascii: ":")
            context.update(ByteView(base: line, count: text.count + 2))
            var index = names[number].first
            while index >= 0 {
                context.update(bytes[fields[Int(index)].value])
                index = nextLine[Int(index)]
                if index >= 0 { context.update(ByteView(",")) }
            }
        }
    }

    // MARK: - Places

    /// Where the name stands, or the free place where it would.
    private func place(of text: ByteView, _ hash: UInt64) -> Int {
        var place = Int(truncatingIfNeeded: hash) & (Self.placesMax - 1)
        while places[place] != 0 {
            let name = names[Int(places[place]) - 1]
            if name.hash == hash, name.text.equalsIgnoringCaseOfBoth(text) { return place }
            place = (place + 1) & (Self.placesMax - 1)
        }
        return place
    }

    /// Of the name in lower case, eight bytes at a time.
    private func hash(_ text: ByteView) -> UInt64 {
        let base = text.base
        let count = text.count
        var hash = seed
        var index = 0
        while count &- index >= 8 {
            hash = Self.fold(hash ^ Self.lowercased(UInt64(littleEndian: UnsafeRawPointer(base + index).loadUnaligned(as: UInt64.self))))
            index &+= 8
        }
        var word: UInt64 = 0
        while index < count {
            word = word &<< 8 | UInt64(base[index].asciiLowercased)
            index &+= 1
        }
        return Self.fold(hash ^ word) ^ Self.fold(seed ^ UInt64(truncatingIfNeeded: count))
    }

    /// Eight bytes with their upper-case letters, and nothing else, put in lower case: two marks that were made equal would let a sender choose
    /// names that meet in one place.
    @inline(__always)
    private static func lowercased(_ word: UInt64) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let low = word & (ones &* 0x7F)
        // Bit 7 of each byte: at least `A`; beyond `Z`; ASCII.
        let upper = (low &+ ones &* 0x3F) ^ (low &+ ones &* 0x25)
        return word | (upper & ~word & (ones &* 0x80)) &>> 2
    }

    private static func fold(_ value: UInt64) -> UInt64 {
        let product = value.multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
        return product.high ^ product.low
    }
}

import SluiceHTTP

// Numbers, and values that are compared: with those of `enum`, and with each other.

extension SchemaValidation {
    // MARK: Numbers

    mutating func isRightNumber(_ node: UnsafePointer<SchemaNode>, _ entry: JSONEntry) -> Bool {
        // Most digits that surely have room in 64 bits, the sign included.
        if entry.kind == .integer, entry.count <= 18 { return isRightInteger(node, integer(index.raw(entry)), entry) }
        return isRightDecimal(node, entry)
    }

    private func integer(_ text: ByteView) -> Int64 {
        var value: Int64 = 0
        var place = text.base[0] == UInt8(ascii: "-") ? 1 : 0
        let isNegative = place == 1
        while place < text.count {
            value = value &* 10 &+ Int64(text.base[place] &- UInt8(ascii: "0"))
            place &+= 1
        }
        return isNegative ? -value : value
    }

    private mutating func isRightInteger(_ node: UnsafePointer<SchemaNode>, _ value: Int64, _ entry: JSONEntry) -> Bool {
        if node.pointee.minimum >= 0 {
            guard let bound = program.numbers[Int(node.pointee.minimum)].integer else { return isRightDecimal(node, entry) }
            if value < bound || value == bound && node.pointee.traits.contains(.excludesMinimum) { return fail(.minimum) }
        }
        if node.pointee.maximum >= 0 {
            guard let bound = program.numbers[Int(node.pointee.maximum)].integer else { return isRightDecimal(node, entry) }
            if value > bound || value == bound && node.pointee.traits.contains(.excludesMaximum) { return fail(.maximum) }
        }
        if node.pointee.divisor >= 0 {
            guard let divisor = program.numbers[Int(node.pointee.divisor)].integer, divisor > 0 else { return isRightDecimal(node, entry) }
            if value % divisor != 0 { return fail(.multipleOf) }
        }
        return true
    }

    @inline(never)
    private mutating func isRightDecimal(_ node: UnsafePointer<SchemaNode>, _ entry: JSONEntry) -> Bool {
        guard spend(4 + Int(entry.count) / 4) else { return false }
        let value = Decimal(index.raw(entry), into: &memory.pointee.text)
        if node.pointee.minimum >= 0 {
            let order = value.compared(to: program.numbers[Int(node.pointee.minimum)].decimal)
            if order < 0 || order == 0 && node.pointee.traits.contains(.excludesMinimum) { return fail(.minimum) }
        }
        if node.pointee.maximum >= 0 {
            let order = value.compared(to: program.numbers[Int(node.pointee.maximum)].decimal)
            if order > 0 || order == 0 && node.pointee.traits.contains(.excludesMaximum) { return fail(.maximum) }
        }
        if node.pointee.divisor >= 0 {
            let number = program.numbers[Int(node.pointee.divisor)]
            if !value.isMultiple(of: number.divisor, exponent: number.divisorExponent) { return fail(.multipleOf) }
        }
        return true
    }

    // MARK: Values of `enum`

    mutating func isEnumerated(_ node: UnsafePointer<SchemaNode>, _ value: Int) -> Bool {
        for place in node.pointee.enumeration.range {
            let allowed = program.values[place]
            if isEqual(index, value, allowed.index, Int(allowed.entry)) { return true }
            guard steps >= 0 else { return giveUp() }
        }
        return fail(.enumeration)
    }

    /// Whether two values are equal (JSON Schema draft 4, core, 3.6): numbers by what they are, members in any order.
    mutating func isEqual(_ left: JSONIndex, _ leftValue: Int, _ right: JSONIndex, _ rightValue: Int) -> Bool {
        let (one, other) = (left.entries[leftValue], right.entries[rightValue])
        guard one.kind == other.kind || !JSONEntry.Kinds.number.isDisjoint(with: one.kind) && !JSONEntry.Kinds.number.isDisjoint(with: other.kind) else {
            return false
        }
        guard spend() else { return false }
        switch one.kind {
        case .boolean: return one.traits == other.traits
        case .integer, .fraction:
            guard spend(Int(one.count) / 8) else { return false }
            if one.kind == .integer, other.kind == .integer { return left.raw(one).isSame(as: right.raw(other)) || isEqualDecimal(left, one, right, other) }
            return isEqualDecimal(left, one, right, other)
        case .string:
            if one.traits.union(other.traits).contains(.isEscaped) {
                guard spend(Int(one.count &+ other.count) / 16) else { return false }
            } else if one.count != other.count {
                return false
            }
            return left.string(one, &memory.pointee.text).isSame(as: right.string(other, &memory.pointee.otherText))
        case .array:
            guard one.count == other.count else { return false }
            var (item, otherItem) = (leftValue &+ 1, rightValue &+ 1)
            for _ in 0..<one.count {
                guard isEqual(left, item, right, otherItem) else { return false }
                item = Int(left.entries[item].next)
                otherItem = Int(right.entries[otherItem].next)
            }
            return true
        case .object: return one.count == other.count && hasEqualMembers(left, leftValue, right, rightValue)
        default: return true
        }
    }

    private mutating func isEqualDecimal(_ left: JSONIndex, _ one: JSONEntry, _ right: JSONIndex, _ other: JSONEntry) -> Bool {
        let number = Decimal(left.raw(one), into: &memory.pointee.text)
        return number.compared(to: Decimal(right.raw(other), into: &memory.pointee.otherText)) == 0
    }

    /// Whether each member of the one is in the other; both have as many.
    private mutating func hasEqualMembers(_ left: JSONIndex, _ leftValue: Int, _ right: JSONIndex, _ rightValue: Int) -> Bool {
        let count = Int(left.entries[leftValue].count)
        var name = leftValue &+ 1
        // Most are in the same order: each is looked for behind where the last was found.
        var place = rightValue &+ 1
        for _ in 0..<count {
            let entry = left.entries[name]
            var found = false
            for _ in 0..<count {
                if place >= Int(right.entries[rightValue].next) { place = rightValue &+ 1 }
                guard spend() else { return false }
                let candidate = right.entries[place]
                let value = place &+ 1
                place = Int(right.entries[value].next)
                guard candidate.next == entry.next,
                    left.string(entry, &memory.pointee.text).isSame(as: right.string(candidate, &memory.pointee.otherText))
                else { continue }
                guard isEqual(left, name &+ 1, right, value) else { return false }
                found = true
                break
            }
            guard found else { return false }
            name = Int(left.entries[name &+ 1].next)
        }
        return true
    }

    // MARK: Items that may not be equal

    /// Whether no two items are equal: by a table of their hashes, whose secret no body knows.
    mutating func hasUniqueItems(_ array: Int, _ count: Int) -> Bool {
        guard count > 1 else { return true }
        let slotCount = 1 << (Int.bitWidth - (2 &* count &- 1).leadingZeroBitCount)
        guard spend(slotCount / 8) else { return false }
        let slots = memory.pointee.slots.reserve(slotCount)
        let hashes = memory.pointee.hashes.reserve(slotCount)
        slots.update(repeating: 0, count: slotCount)
        let mask = slotCount &- 1
        var item = array &+ 1
        for number in 0..<count {
            let hashed = hashOf(item)
            guard steps >= 0 else { return giveUp() }
            var slot = Int(truncatingIfNeeded: hashed) & mask
            // Entry 0 is the document itself, never an item.
            while slots[slot] != 0 {
                if hashes[slot] == hashed, isEqual(index, Int(slots[slot]), index, item) {
                    if !isProbing { fault.prepend(item: number) }
                    return fail(.uniqueItems)
                }
                guard steps >= 0 else { return giveUp() }
                slot = (slot &+ 1) & mask
            }
            slots[slot] = UInt32(truncatingIfNeeded: item)
            hashes[slot] = hashed
            item = Int(index.entries[item].next)
        }
        return true
    }

    /// Equal values have equal hashes.
    private mutating func hashOf(_ value: Int) -> UInt64 {
        let entry = index.entries[value]
        guard spend(1 &+ Int(entry.kind.isDisjoint(with: [.array, .object]) ? entry.count / 16 : 0)) else { return 0 }
        let kind = UInt64(entry.kind.rawValue)
        switch entry.kind {
        case .boolean: return hash.mix(kind, UInt64(entry.traits.rawValue))
        case .integer, .fraction:
            let number = Decimal(index.raw(entry), into: &memory.pointee.text)
            let sign: UInt64 = number.isNegative ? 2 : 1
            return hash.mix(hash.mix(sign, UInt64(bitPattern: Int64(number.exponent))), hash.hash(number.digits.base, number.digits.count))
        case .string:
            let text = index.string(entry, &memory.pointee.text)
            return hash.mix(kind, hash.hash(text.base, text.count))
        case .array:
            var hashed = hash.mix(kind, UInt64(entry.count))
            var item = value &+ 1
            for _ in 0..<entry.count {
                hashed = hash.mix(hashed, hashOf(item))
                item = Int(index.entries[item].next)
            }
            return hashed
        case .object:
            // In any order.
            var sum: UInt64 = 0
            var name = value &+ 1
            for _ in 0..<entry.count {
                sum &+= hash.mix(UInt64(index.entries[name].next), hashOf(name &+ 1))
                name = Int(index.entries[name &+ 1].next)
            }
            return hash.mix(kind &+ UInt64(entry.count) &<< 8, sum)
        default: return hash.mix(kind, 0)
        }
    }
}

import SluiceHTTP
import SluicePattern

/// One validation of one document.
///
/// Its work is bounded, because a schema may look at one value many times and the document decides how often: every node that is asked about a value takes a
/// step, as does every member, and so do bytes that are hashed, compared or counted. Patterns have a time besides (`PatternClock`).
struct SchemaValidation {
    let program: SchemaProgram
    let index: JSONIndex
    let memory: UnsafeMutablePointer<JSONMemory.State>
    let matches: MatchScratch.Handle
    let hash = JSONHash()
    var steps: Int
    var clock = PatternClock()
    var fault = SchemaFault()
    /// Alternatives are being tried, whose faults nobody reads.
    var isProbing = false
    private var depth = 0

    /// Schemas within each other that are asked about values within each other, at most: what a stack of a worker has room for.
    private static let depthMax = 1000

    init(_ program: SchemaProgram, _ index: JSONIndex, _ memory: JSONMemory.Handle, _ matches: MatchScratch.Handle, steps: Int) {
        self.program = program
        self.index = index
        self.memory = memory.state
        self.matches = matches
        self.steps = steps
    }

    /// Whether the document is what the schema says.
    mutating func run() -> Bool { isRight(program.root, 0) }

    @inline(__always)
    mutating func fail(_ rule: SchemaRule, name: ByteView = .empty) -> Bool {
        if fault.rule != .tooMuchWork || steps >= 0 {
            fault.rule = rule
            fault.name = name
        }
        return false
    }

    /// Takes steps. False if there are none left: whatever is tried then fails.
    @inline(__always)
    mutating func spend(_ count: Int = 1) -> Bool {
        steps &-= count
        return steps >= 0 || giveUp()
    }

    @inline(never)
    mutating func giveUp() -> Bool {
        steps = min(steps, -1)
        fault.rule = .tooMuchWork
        fault.name = .empty
        return false
    }

    // MARK: A value

    @inline(__always)
    private mutating func isRight(_ sub: Int32, _ value: Int) -> Bool {
        if sub == SchemaNode.Sub.anything { return true }
        return isRightByNode(sub, value)
    }

    private mutating func isRightByNode(_ sub: Int32, _ value: Int) -> Bool {
        guard spend() else { return false }
        let node = program.nodes + Int(sub)
        let entry = index.entries[value]
        guard !node.pointee.types.isDisjoint(with: entry.kind) else { return fail(.type(node.pointee.types)) }
        let parts = node.pointee.parts
        guard !parts.isEmpty else { return true }
        guard depth < Self.depthMax else { return giveUp() }
        depth &+= 1
        defer { depth &-= 1 }
        if parts.contains(.enumeration), !isEnumerated(node, value) { return false }
        switch entry.kind {
        case .integer, .fraction: if parts.contains(.number), !isRightNumber(node, entry) { return false }
        case .string: if parts.contains(.string), !isRightString(node, entry) { return false }
        case .array: if parts.contains(.array), !isRightArray(node, value) { return false }
        case .object: if parts.contains(.object), !isRightObject(node, value) { return false }
        default: break
        }
        return !parts.contains(.combined) || isRightCombined(node, value)
    }

    // MARK: Strings

    private mutating func isRightString(_ node: UnsafePointer<SchemaNode>, _ entry: JSONEntry) -> Bool {
        guard spend(Int(entry.count) / 16) else { return false }
        let text = index.string(entry, &memory.pointee.text)
        if node.pointee.minLength >= 0 || node.pointee.maxLength >= 0 {
            let length = Int64(entry.traits.contains(.isWide) ? JSONString.length(text) : text.count)
            if length < node.pointee.minLength { return fail(.minLength) }
            if node.pointee.maxLength >= 0, length > node.pointee.maxLength { return fail(.maxLength) }
        }
        guard node.pointee.pattern >= 0 else { return true }
        guard let isMatch = matchesPattern(node.pointee.pattern, text) else { return giveUp() }
        return isMatch || fail(.pattern)
    }

    /// Nil if the pattern was given up.
    mutating func matchesPattern(_ pattern: Int32, _ text: ByteView) -> Bool? {
        guard spend(8), clock.begin() else { return nil }
        let outcome = matches.matchText(program.patterns[Int(pattern)], text)
        clock.end()
        switch outcome {
        case .matched: return true
        case .none: return false
        case .limitExceeded: return nil
        }
    }

    // MARK: Arrays

    private mutating func isRightArray(_ node: UnsafePointer<SchemaNode>, _ value: Int) -> Bool {
        let count = Int(index.entries[value].count)
        if count < node.pointee.minItems { return fail(.minItems) }
        if node.pointee.maxItems >= 0, count > node.pointee.maxItems { return fail(.maxItems) }
        let tuple = node.pointee.tuple
        let rest = node.pointee.items
        if rest != SchemaNode.Sub.anything || !tuple.isEmpty {
            var item = value &+ 1
            for number in 0..<count {
                let sub = number < Int(tuple.count) ? program.subs[Int(tuple.start) &+ number] : rest
                if sub == SchemaNode.Sub.nothing {
                    if !isProbing { fault.prepend(item: number) }
                    return fail(.additionalItems)
                }
                if sub == SchemaNode.Sub.anything, rest == sub, number >= Int(tuple.count) { break }
                guard isRight(sub, item) else {
                    if !isProbing { fault.prepend(item: number) }
                    return false
                }
                item = Int(index.entries[item].next)
            }
        }
        return !node.pointee.traits.contains(.hasUniqueItems) || hasUniqueItems(value, count)
    }

    // MARK: Objects

    private mutating func isRightObject(_ node: UnsafePointer<SchemaNode>, _ value: Int) -> Bool {
        let count = Int(index.entries[value].count)
        if count < node.pointee.minMembers { return fail(.minProperties) }
        if node.pointee.maxMembers >= 0, count > node.pointee.maxMembers { return fail(.maxProperties) }
        if node.pointee.traits.contains(.looksAtMembers) {
            guard spend(count) else { return false }
            var required: UInt32 = 0
            var name = value &+ 1
            for _ in 0..<count {
                guard isRightMember(node, name, &required) else { return false }
                name = Int(index.entries[name &+ 1].next)
            }
            // No name stands twice, so that their number tells whether one is missing.
            if required < node.pointee.requiredCount { return failMissing(node, value, count) }
        }
        return node.pointee.dependencies.isEmpty || hasDependencies(node, value, count)
    }

    @inline(__always)
    private mutating func isRightMember(_ node: UnsafePointer<SchemaNode>, _ name: Int, _ required: inout UInt32) -> Bool {
        let entry = index.entries[name]
        var isKnown = false
        if let known = named(node, entry) {
            if known.pointee.isRequired { required &+= 1 }
            if known.pointee.isProperty {
                isKnown = true
                guard isRight(known.pointee.node, name &+ 1) else {
                    if !isProbing { fault.prepend(known.pointee.shown) }
                    return false
                }
            }
        }
        if !node.pointee.patterned.isEmpty {
            guard let isPatterned = isRightByPatterns(node, name, entry) else { return false }
            if isPatterned { isKnown = true }
        }
        guard !isKnown, node.pointee.otherMembers != SchemaNode.Sub.anything else { return true }
        // The place is the object: which member it is only the body knows.
        guard node.pointee.otherMembers != SchemaNode.Sub.nothing else { return fail(.additionalProperties) }
        guard isRight(node.pointee.otherMembers, name &+ 1) else {
            if !isProbing { fault.prepend(ByteView("*")) }
            return false
        }
        return true
    }

    /// What the schema says of this name; nil for nothing.
    @inline(__always)
    private mutating func named(_ node: UnsafePointer<SchemaNode>, _ entry: JSONEntry) -> UnsafePointer<SchemaName>? {
        let slots = node.pointee.nameSlots
        guard slots.count > 0 else { return nil }
        let mask = slots.count &- 1
        var slot = entry.next & mask
        while true {
            let place = program.nameSlots[Int(slots.start &+ slot)]
            guard place >= 0 else { return nil }
            let known = program.names + Int(place)
            if known.pointee.hash == entry.next, index.string(entry, &memory.pointee.text).isSame(as: known.pointee.name) { return known }
            slot = (slot &+ 1) & mask
        }
    }

    /// Whether a pattern matches the name; nil if a member is wrong, or a pattern was given up.
    private mutating func isRightByPatterns(_ node: UnsafePointer<SchemaNode>, _ name: Int, _ entry: JSONEntry) -> Bool? {
        var isKnown = false
        for place in node.pointee.patterned.range {
            // Decoded anew each time: what a member's own patterns decode stands in the same room.
            guard spend(Int(entry.count) / 16) else { return nil }
            let text = index.string(entry, &memory.pointee.text)
            guard let isMatch = matchesPattern(program.patterned[place].pattern, text) else {
                _ = giveUp()
                return nil
            }
            guard isMatch else { continue }
            isKnown = true
            guard isRight(program.patterned[place].node, name &+ 1) else {
                if !isProbing { fault.prepend(ByteView("*")) }
                return nil
            }
        }
        return isKnown
    }

    private mutating func failMissing(_ node: UnsafePointer<SchemaNode>, _ value: Int, _ count: Int) -> Bool {
        for place in node.pointee.names.range where program.names[place].isRequired {
            guard spend(count) else { return false }
            if !has(program.names[place].name, program.names[place].hash, value, count) { return fail(.required, name: program.names[place].shown) }
        }
        return fail(.required)
    }

    private mutating func has(_ name: ByteView, _ hash: UInt32, _ value: Int, _ count: Int) -> Bool {
        var member = value &+ 1
        for _ in 0..<count {
            let entry = index.entries[member]
            if entry.next == hash, index.string(entry, &memory.pointee.text).isSame(as: name) { return true }
            member = Int(index.entries[member &+ 1].next)
        }
        return false
    }

    private mutating func hasDependencies(_ node: UnsafePointer<SchemaNode>, _ value: Int, _ count: Int) -> Bool {
        for place in node.pointee.dependencies.range {
            let dependency = program.dependencies[place]
            guard spend(count) else { return false }
            guard has(dependency.name, dependency.hash, value, count) else { continue }
            for other in dependency.required.range {
                guard spend(count) else { return false }
                let required = program.dependentNames[other]
                if !has(required.name, required.hash, value, count) { return fail(.dependency, name: required.shown) }
            }
            guard isRight(dependency.node, value) else { return false }
        }
        return true
    }

    // MARK: Combinations

    private mutating func isRightCombined(_ node: UnsafePointer<SchemaNode>, _ value: Int) -> Bool {
        for place in node.pointee.allOf.range {
            guard isRight(program.subs[place], value) else { return false }
        }
        if !node.pointee.anyOf.isEmpty, alternatives(node.pointee.anyOf, value, enough: 1) == 0 { return failUnlessGivenUp(.anyOf) }
        if !node.pointee.oneOf.isEmpty {
            let count = alternatives(node.pointee.oneOf, value, enough: 2)
            guard steps >= 0 else { return giveUp() }
            if count != 1 { return fail(count == 0 ? .oneOfNone : .oneOfSeveral) }
        }
        guard node.pointee.not != SchemaNode.Sub.anything else { return true }
        // The schema that nothing fits.
        guard node.pointee.not != SchemaNode.Sub.nothing else { return fail(.not) }
        let isWrong = !probe(node.pointee.not, value)
        guard steps >= 0 else { return giveUp() }
        return isWrong || fail(.not)
    }

    /// How many of the schemas the value fits, counted up to `enough`.
    private mutating func alternatives(_ run: SchemaNode.Run, _ value: Int, enough: Int) -> Int {
        var count = 0
        for place in run.range where count < enough {
            if probe(program.subs[place], value) { count &+= 1 }
            guard steps >= 0 else { return 0 }
        }
        return count
    }

    private mutating func failUnlessGivenUp(_ rule: SchemaRule) -> Bool { steps >= 0 ? fail(rule) : giveUp() }

    private mutating func probe(_ sub: Int32, _ value: Int) -> Bool {
        let wasProbing = isProbing
        isProbing = true
        defer { isProbing = wasProbing }
        return isRight(sub, value)
    }
}

import SluiceHTTP

/// What a matching path becomes: literal text and captures, in the path and, after a question mark, in the query.
struct RewriteReplacement: Equatable {
    enum Part: Equatable {
        case literal(String)
        case capture(Int)
    }

    /// What the pattern has to offer.
    enum References {
        /// Groups of an expression, `%0` to at most `%9`.
        case groups(upTo: Int)
        /// Variables of a template, in the order of the path.
        case variables([String])
    }

    var path: [Part]
    /// Nil: the request's own query is kept. Empty: the upstream gets none.
    var query: [Part]?

    /// Reads a replacement and tries it out: with a letter for each capture it must be a path that does not climb above
    /// the root, and its escapes must be whole, so that no capture can complete one.
    static func parse(_ text: String, references: References) throws(RewriteFault) -> RewriteReplacement {
        let isFit = { (byte: UInt8) in byte > 0x20 && byte != 0x7F && byte != UInt8(ascii: "#") && byte != UInt8(ascii: "\\") }
        guard text.utf8.allSatisfy(isFit) else {
            throw RewriteFault(allowed: "visible characters without # and backslash; anything else as an escape")
        }
        let halves = text.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let path = try parts(halves[0], references)
        let query: [Part]? = halves.count == 2 ? try parts(halves[1], references) : nil
        let replacement = RewriteReplacement(path: path, query: query)
        try replacement.check(beginning: path.first)
        if case .variables = references, halves[0].first != "/" {
            throw RewriteFault(allowed: "a path that begins with a slash")
        }
        return replacement
    }

    private func check(beginning: Part?) throws(RewriteFault) {
        switch beginning {
        case .capture: break
        case .literal(let text) where text.utf8.first == UInt8(ascii: "/"): break
        case .literal, nil: throw RewriteFault(allowed: "a path that begins with a slash or with a group")
        }
        let sample = Self.sample(path)
        guard PathText.normality(of: sample.hasPrefix("/") ? sample : "/" + sample) != .malformed else {
            throw RewriteFault(allowed: "a path with whole escapes that does not climb above the root")
        }
        // A query has no normal form; only its escapes can be wrong.
        guard PathText.hasWholeEscapes(Self.sample(query ?? [])) else { throw RewriteFault(allowed: "a query with whole escapes") }
    }

    /// The text with `x`, which is not a hexadecimal digit, for each capture.
    private static func sample(_ parts: [Part]) -> String {
        let text = parts.map { if case .literal(let text) = $0 { text } else { "x" } }.joined()
        return String(decoding: PathText.escapingNonASCII(text.utf8), as: UTF8.self)
    }
}

// MARK: - Reading

extension RewriteReplacement {
    private static func parts(_ text: Substring, _ references: References) throws(RewriteFault) -> [Part] {
        switch references {
        case .groups(let last): try partsOfGroups(text, last: last)
        case .variables(let names): try partsOfVariables(text, names)
        }
    }

    private static func partsOfGroups(_ text: Substring, last: Int) throws(RewriteFault) -> [Part] {
        var parts: [Part] = []
        var literal = ""
        var rest = text
        while let character = rest.popFirst() {
            guard character == "%" else {
                literal.append(character)
                continue
            }
            let next = rest.popFirst()
            if next == "%" {
                literal.append("%")
                continue
            }
            guard let next, let group = next.wholeNumberValue, next.isASCII else {
                throw RewriteFault(allowed: "a digit or another percent sign after each percent sign")
            }
            guard group <= last else {
                throw RewriteFault(allowed: last == 0 ? "%0 only: the pattern has no groups" : "groups up to %\(min(last, 9))")
            }
            if !literal.isEmpty { parts.append(.literal(literal)) }
            literal = ""
            parts.append(.capture(group))
        }
        return literal.isEmpty ? parts : parts + [.literal(literal)]
    }

    private static func partsOfVariables(_ text: Substring, _ names: [String]) throws(RewriteFault) -> [Part] {
        var parts: [Part] = []
        var rest = text
        while let open = rest.firstIndex(where: { $0 == "{" || $0 == "}" }) {
            guard rest[open] == "{", let close = rest[open...].firstIndex(of: "}") else {
                throw RewriteFault(allowed: "as many opening as closing braces")
            }
            let name = String(rest[rest.index(after: open)..<close])
            guard let index = names.firstIndex(of: name) else {
                throw RewriteFault(allowed: "the pattern's variables: \(names.map { "{\($0)}" }.joined(separator: ", "))")
            }
            if open > rest.startIndex { parts.append(.literal(String(rest[..<open]))) }
            parts.append(.capture(index))
            rest = rest[rest.index(after: close)...]
        }
        return rest.isEmpty ? parts : parts + [.literal(String(rest))]
    }
}

// MARK: - Compiled

extension RewriteReplacement {
    struct Compiled: BitwiseCopyable {
        enum Part: BitwiseCopyable {
            case literal(ByteView)
            case capture(Int)
        }

        let path: ArenaSlice<Part>
        let query: ArenaSlice<Part>
        /// False: the request's own query is kept.
        let replacesQuery: Bool
        /// Whether the request's own query stays in front of the new one.
        let addsQuery: Bool

        /// Writes the path, and the query if it is replaced, into the exchange's memory. False if the path is none or the
        /// memory is used up; the exchange's path and query are then as they were.
        func apply(_ captures: RewriteCaptures, to exchange: inout Exchange) -> Bool {
            guard let newPath = expandedPath(captures, in: &exchange) else { return false }
            if replacesQuery {
                // What a capture brings is data of one parameter, never a further one.
                let added = Self.queryCount(query, captures, of: exchange.path)
                let own = addsQuery ? exchange.upstreamQuery ?? .empty : .empty
                let front = own.isEmpty || added == 0 ? own.count : own.count + 1
                let count = front + added
                guard let memory = exchange.allocate(count) else { return false }
                memory.update(from: own.base, count: own.count)
                if front > own.count { memory[own.count] = UInt8(ascii: "&") }
                Self.writeQuery(query, captures, of: exchange.path, to: memory + front)
                exchange.upstreamQuery = count == 0 ? nil : ByteView(base: memory, count: count)
            }
            exchange.upstreamPath = newPath
            return true
        }

        private func expandedPath(_ captures: RewriteCaptures, in exchange: inout Exchange) -> ByteView? {
            // One byte more for a slash in front, which only a capture at the beginning can make necessary.
            let count = Self.count(path, captures)
            guard let memory = exchange.allocate(count + 1) else { return nil }
            Self.write(path, captures, of: exchange.path, to: memory + 1)
            memory[0] = UInt8(ascii: "/")
            let hasSlash = count > 0 && memory[1] == UInt8(ascii: "/")
            let expanded = hasSlash ? ByteView(base: memory + 1, count: count) : ByteView(base: memory, count: count + 1)
            guard let normal = exchange.allocate(expanded.count) else { return nil }
            // Captures may come together to a dot segment that only `%2F` hides.
            return switch NormalisedPath.normalise(expanded, into: normal) {
            case .unchanged(let marks): marks.intersects(.hiddenDots) ? nil : expanded
            case .changed(let count, let marks): marks.intersects(.hiddenDots) ? nil : ByteView(base: normal, count: count)
            case .malformed: nil
            }
        }

        private static func count(_ parts: ArenaSlice<Part>, _ captures: RewriteCaptures) -> Int {
            var count = 0
            var index = 0
            while index < parts.count {
                switch parts[index] {
                case .literal(let text): count += text.count
                case .capture(let capture): count += captures[capture].count
                }
                index += 1
            }
            return count
        }

        /// `memory` has room for as many bytes as `count` says.
        private static func write(
            _ parts: ArenaSlice<Part>, _ captures: RewriteCaptures, of subject: ByteView, to memory: UnsafeMutablePointer<UInt8>
        ) {
            var next = memory
            var index = 0
            while index < parts.count {
                let text =
                    switch parts[index] {
                    case .literal(let text): text
                    case .capture(let capture): subject[captures[capture]]
                    }
                next.update(from: text.base, count: text.count)
                next += text.count
                index += 1
            }
        }
    }

    func compiled(into arena: Arena, addsQuery: Bool = false) -> Compiled {
        // Letters outside ASCII stand in paths and queries as escapes.
        func store(_ parts: [Part]) -> ArenaSlice<Compiled.Part> {
            arena.store(
                parts.map { part in
                    switch part {
                    case .literal(let text): Compiled.Part.literal(arena.bytes(PathText.escapingNonASCII(text.utf8)))
                    case .capture(let index): Compiled.Part.capture(index)
                    }
                })
        }
        return Compiled(path: store(path), query: store(query ?? []), replacesQuery: query != nil, addsQuery: addsQuery)
    }
}

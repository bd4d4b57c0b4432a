import SluiceConfiguration
import SluiceHTTP
import SluicePattern

/// What the configuration says about where an endpoint is.
struct EndpointSource {
    /// Nil if it was left out, which is a problem of its own.
    var pattern: Located<String>?
    /// Nil where the endpoint does not say: every method but OPTIONS and TRACE.
    var methods: Located<[Located<String>]>?
}

extension EndpointTable {
    /// Compiles the endpoints of one domain. What a look-up answers does not depend on their order.
    ///
    /// Patterns and methods that cannot be read are problems, and so are two equal patterns (variables may be called
    /// differently) that list a common method; the table leaves such endpoints out, and keeps the numbers of the others.
    static func compile(
        _ sources: [EndpointSource], registry: MethodRegistry, into arena: Arena, problems: Problems
    ) -> EndpointTable {
        var compiler = EndpointTableCompiler()
        for (index, source) in sources.enumerated() {
            let methods = registry.methods(source.methods, problems: problems)
            let pattern = source.pattern.flatMap { PathPattern($0, problems: problems) }
            guard let methods, let pattern else { continue }
            compiler.add(pattern, methods: methods, index: index, registry: registry, problems: problems)
        }
        return compiler.finish(into: arena)
    }
}

/// The trie while it is built.
private struct EndpointTableCompiler {
    private struct Edge: Hashable {
        var parent: Int
        var kind: PathPattern.Kind
        var text: [UInt8]
    }

    private struct Child {
        var segment: PathPattern.Segment
        var node: Int
    }

    private struct Listed {
        var pattern: PathPattern
        /// Without HEAD that only GET brings.
        var methods: MethodSet
        var index: Int
    }

    private struct Draft {
        var parent: Int
        var children: [Child] = []
        var listed: [Listed] = []
        var isBelowDoubleStar: Bool
        var memory: Int32 = -1
    }

    private var drafts = [Draft(parent: 0, isBelowDoubleStar: false)]
    private var edges: [Edge: Int] = [:]
    private var memoryCapacity = 0

    mutating func add(
        _ pattern: PathPattern, methods: MethodSet, index: Int, registry: MethodRegistry, problems: Problems
    ) {
        var node = 0
        for segment in pattern.segments { node = child(of: node, along: segment) }
        for other in drafts[node].listed where other.methods.intersects(methods) {
            let common = registry.names(of: other.methods.intersection(methods)).joined(separator: ", ")
            problems.add(
                at: pattern.source, found: "\(Quoting.quoted(pattern.source.value)) for \(common) a second time",
                allowed: "another pattern or other methods than those of "
                    + "\(Quoting.quoted(other.pattern.source.value)) on line \(other.pattern.source.position.line)")
            return
        }
        drafts[node].listed.append(Listed(pattern: pattern, methods: methods, index: index))
    }

    private mutating func child(of parent: Int, along segment: PathPattern.Segment) -> Int {
        let edge = Edge(parent: parent, kind: segment.kind, text: segment.text)
        if let known = edges[edge] { return known }
        let node = drafts.count
        var draft = Draft(parent: parent, isBelowDoubleStar: drafts[parent].isBelowDoubleStar)
        if segment.kind == .doubleStar {
            if draft.isBelowDoubleStar {
                draft.memory = Int32(memoryCapacity)
                memoryCapacity += 1
            }
            draft.isBelowDoubleStar = true
        }
        drafts.append(draft)
        drafts[parent].children.append(Child(segment: segment, node: node))
        edges[edge] = node
        return node
    }

    func finish(into arena: Arena) -> EndpointTable {
        let ranks = self.ranks()
        let leastRanks = self.leastRanks(ranks)
        var nodes: [EndpointTable.Node] = []
        var regexEdges: [EndpointTable.RegexEdge] = []
        var mixEdges: [EndpointTable.MixEdge] = []
        var endpoints: [EndpointTable.Endpoint] = []
        nodes.reserveCapacity(drafts.count)
        for (index, draft) in drafts.enumerated() {
            var node = EndpointTable.Node()
            let regexStart = regexEdges.count
            let mixStart = mixEdges.count
            let endpointStart = endpoints.count
            // The most promising first: fewer are tried, and which regex is given up first is not the file's choice.
            let children = draft.children.sorted { leastRanks[$0.node] < leastRanks[$1.node] }
            addEdges(to: children, of: &node, regexEdges: &regexEdges, mixEdges: &mixEdges, arena: arena)
            endpoints += Self.served(draft.listed)
            node.regexes = Self.run(from: regexStart, to: regexEdges.count)
            node.mixes = Self.run(from: mixStart, to: mixEdges.count)
            node.endpoints = Self.run(from: endpointStart, to: endpoints.count)
            node.memory = draft.memory
            node.rank = ranks[index]
            node.leastRank = leastRanks[index]
            nodes.append(node)
        }
        return EndpointTable(
            nodes: arena.store(nodes), regexEdges: arena.store(regexEdges), mixEdges: arena.store(mixEdges),
            endpoints: arena.store(endpoints), memoryCapacity: memoryCapacity)
    }

    /// For every node the least rank at it and below it.
    private func leastRanks(_ ranks: [UInt32]) -> [UInt32] {
        var leastRanks = ranks
        // A child comes after its parent, so that backwards every node is complete before its parent asks.
        for index in drafts.indices.dropFirst().reversed() {
            let parent = drafts[index].parent
            leastRanks[parent] = min(leastRanks[parent], leastRanks[index])
        }
        return leastRanks
    }

    /// For every node the place of its pattern in the order of specificity.
    private func ranks() -> [UInt32] {
        var ranks = [UInt32](repeating: EndpointTable.noRank, count: drafts.count)
        let ends = drafts.indices
            .compactMap { index in drafts[index].listed.first.map { (node: index, pattern: $0.pattern) } }
            .sorted { $0.pattern.isMoreSpecific(than: $1.pattern) }
        for (rank, end) in ends.enumerated() { ranks[end.node] = UInt32(rank) }
        return ranks
    }

    private func addEdges(
        to children: [Child], of node: inout EndpointTable.Node, regexEdges: inout [EndpointTable.RegexEdge],
        mixEdges: inout [EndpointTable.MixEdge], arena: Arena
    ) {
        var literals: [(text: ByteView, value: UInt32)] = []
        for child in children {
            let segment = child.segment
            let number = UInt32(child.node)
            switch segment.kind {
            case .literal: literals.append((arena.bytes(segment.text), number))
            case .regex:
                guard let regex = segment.regex else { preconditionFailure("a regex segment without its regex") }
                arena.own(regex)
                regexEdges.append(EndpointTable.RegexEdge(regex: regex.handle, child: number))
            case .mix:
                let glob = SegmentGlob(text: arena.bytes(segment.text))
                mixEdges.append(EndpointTable.MixEdge(glob: glob, child: number))
            case .name: node.name = number
            case .star: node.star = number
            case .doubleStar: node.doubleStar = number
            }
        }
        node.literals = ByteTable(literals, into: arena)
    }

    /// HEAD goes to the endpoint that lists it, otherwise to the one that lists GET.
    private static func served(_ listed: [Listed]) -> [EndpointTable.Endpoint] {
        let head = MethodSet(.head)
        let isHeadListed = listed.contains { $0.methods.intersects(head) }
        return listed.map { endpoint in
            EndpointTable.Endpoint(
                methods: isHeadListed ? endpoint.methods : endpoint.methods.servingHead, index: UInt32(endpoint.index))
        }
    }

    private static func run(from start: Int, to end: Int) -> EndpointTable.Run {
        EndpointTable.Run(start: UInt32(start), count: UInt32(end - start))
    }
}

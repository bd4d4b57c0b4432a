import SluiceHTTP
import SluicePattern

/// One look-up in an `EndpointTable`: depth first, the most specific kind of child first.
///
/// A place in the path is the offset of the first byte of a segment, and one beyond the path's length when no segment
/// is left; so the path is never split into an array.
///
/// **Order.** The kinds of a pattern's segments decide from the left, and children are tried in the order of kinds, so
/// the first pattern found is the best one, unless two regexes or two mixes match the same segment: then kinds further
/// right may prefer a pattern behind the second. Ranks settle that: after the first find, only nodes with a lesser rank below
/// them are visited.
///
/// **Bound.** What a client sends decides how many visits there are, so they are counted: a look-up that takes more than `visitsMax` is given
/// up. No node is visited twice at one place of the path, so that a look-up makes at most nodes x (segments + 1)
/// visits, of which each reads its segment once:
/// - A node that is not `**` is visited from its parent only, one segment further on than the parent. It is visited at
///   a place once if its parent is visited at the place before once.
/// - Entering a `**` at place p visits it at p and every later place, in this order. Entered again at q >= p, after the
///   first time has ended, it could only repeat itself: a visit depends on nothing but node and place, and the best rank found
///   since can only cut it shorter. So it is entered once a look-up, the first time, which `RouteMemory` remembers.
/// - The first time is at the least place: a `**` below no other is entered at one place only, and one below another at
///   a fixed number of segments behind the places at which that is visited, which grow.
struct EndpointSearch {
    let table: EndpointTable
    let path: ByteView
    let method: MethodSet
    let memory: RouteMemory.Handle
    let scratch: MatchScratch.Handle
    private(set) var best = EndpointTable.noMatch
    private(set) var isOverLimit = false
    private var bestRank = EndpointTable.noRank
    private var regexesLeft: Int
    private let visitsMax: Int
    private var globStepsLeft: Int

    init(
        table: EndpointTable, path: ByteView, method: MethodSet, memory: RouteMemory.Handle,
        scratch: MatchScratch.Handle
    ) {
        self.table = table
        self.path = path
        self.method = method
        self.memory = memory
        self.scratch = scratch
        regexesLeft = table.regexEdges.count &+ EndpointTable.regexRepetitionsMax
        visitsMax = EndpointTable.visitsMax &+ table.nodes.count &+ path.count &>> 6
        globStepsLeft = EndpointTable.globStepsMax &+ table.mixEdges.count &<< 2 &+ path.count &>> 4
    }

    /// Looks for what is better than the best so far among the patterns that begin with this node's segments, where
    /// these have taken the path up to `position`.
    mutating func visit(_ index: UInt32, at position: Int) {
        let node = table.nodes.pointer(at: Int(index))
        guard node.pointee.leastRank < bestRank else { return }
        memory.pointee.visits &+= 1
        guard memory.pointee.visits <= visitsMax else { return giveUp() }
        if position > path.count {
            if node.pointee.doubleStar != 0 { enter(node.pointee.doubleStar, at: position) }
            accept(node)
            return
        }
        let end = segmentEnd(from: position)
        let segment = path[position..<end]
        if let child = node.pointee.literals.value(of: segment) { visit(child, at: end + 1) }
        if node.pointee.regexes.count != 0 { visitRegexes(of: node, segment: segment, next: end + 1) }
        if node.pointee.mixes.count != 0 { visitMixes(of: node, segment: segment, next: end + 1) }
        if node.pointee.name != 0, !segment.isEmpty { visit(node.pointee.name, at: end + 1) }
        if node.pointee.star != 0 { visit(node.pointee.star, at: end + 1) }
        if node.pointee.doubleStar != 0 { enter(node.pointee.doubleStar, at: position) }
    }

    /// Lets a `**` take no segment, then one, and so on.
    private mutating func enter(_ index: UInt32, at start: Int) {
        let node = table.nodes.pointer(at: Int(index))
        guard node.pointee.leastRank < bestRank else { return }
        if node.pointee.isLeaf {
            memory.pointee.visits &+= 1
            accept(node)
            return
        }
        let mark = Int(node.pointee.memory)
        guard mark < 0 || memory.pointee.enter(mark) else { return }
        var position = start
        while node.pointee.leastRank < bestRank {
            visit(index, at: position)
            if position > path.count { break }
            position = segmentEnd(from: position) + 1
        }
    }

    private mutating func visitRegexes(of node: UnsafePointer<EndpointTable.Node>, segment: ByteView, next: Int) {
        for index in node.pointee.regexes.range {
            let edge = table.regexEdges.pointer(at: index)
            guard table.nodes.pointer(at: Int(edge.pointee.child)).pointee.leastRank < bestRank else { continue }
            guard regexesLeft > 0 else { return giveUp() }
            regexesLeft -= 1
            switch scratch.match(edge.pointee.regex, segment) {
            case .matched: visit(edge.pointee.child, at: next)
            case .none: break
            case .limitExceeded: return giveUp()
            }
        }
    }

    private mutating func visitMixes(of node: UnsafePointer<EndpointTable.Node>, segment: ByteView, next: Int) {
        for index in node.pointee.mixes.range {
            let edge = table.mixEdges.pointer(at: index)
            guard table.nodes.pointer(at: Int(edge.pointee.child)).pointee.leastRank < bestRank else { continue }
            let isMatch = edge.pointee.glob.matches(segment, stepsLeft: &globStepsLeft)
            guard globStepsLeft >= 0 else { return giveUp() }
            if isMatch { visit(edge.pointee.child, at: next) }
        }
    }

    /// The whole path is taken: the endpoint of this node that serves the method, if there is one.
    private mutating func accept(_ node: UnsafePointer<EndpointTable.Node>) {
        guard node.pointee.rank < bestRank else { return }
        for index in node.pointee.endpoints.range {
            let endpoint = table.endpoints[index]
            if endpoint.methods.intersects(method) {
                best = Int(endpoint.index)
                bestRank = node.pointee.rank
                return
            }
        }
    }

    /// Ends the look-up: with a best rank of 0, no node is worth a visit.
    private mutating func giveUp() {
        isOverLimit = true
        bestRank = 0
    }

    /// Where the segment that begins at `position` ends: at a slash or with the path. Byte by byte: segments are short,
    /// and a search by words won nothing. Long ones are for clients that make work.
    private func segmentEnd(from position: Int) -> Int {
        let near = min(position + 64, path.count)
        var end = position
        while end < near, path.base[end] != UInt8(ascii: "/") { end += 1 }
        return end < near || near == path.count ? end : path.index(of: UInt8(ascii: "/"), from: end)
    }
}

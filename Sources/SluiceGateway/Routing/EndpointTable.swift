import SluiceHTTP
import SluicePattern

/// The endpoints of one domain, compiled to a trie whose edges are the segments of their patterns.
///
/// A node has at most one child for each literal, found by hash, one for `{name}`, `*` and `**` each, and a list of
/// children for regexes and mixes, tried one after another. So a look-up costs the same whether a domain has one
/// endpoint or 100,000, unless many regexes or mixes stand at the same place.
///
/// Equal patterns end at one node. Every node at which a pattern ends has a rank, the place of the pattern in the order
/// of specificity over the whole table; the answer is the least rank that matches (`EndpointSearch`).
struct EndpointTable: BitwiseCopyable {
    /// Indices into the arrays of the table. Node 0 is the root, and as a child stands for none. One cache line.
    struct Node: BitwiseCopyable {
        var literals = ByteTable()
        var regexes = Run()
        var mixes = Run()
        var name: UInt32 = 0
        var star: UInt32 = 0
        var doubleStar: UInt32 = 0
        /// Endpoints whose pattern ends here. Their methods have nothing in common.
        var endpoints = Run()
        /// Of the pattern that ends here; `noRank` if none does.
        var rank = EndpointTable.noRank
        /// The least rank of this node and all below it.
        var leastRank = EndpointTable.noRank
        /// For a `**` below another one, its mark in `RouteMemory`; otherwise -1.
        var memory: Int32 = -1

        var isLeaf: Bool {
            literals.isEmpty && regexes.count == 0 && mixes.count == 0 && name == 0 && star == 0 && doubleStar == 0
        }
    }

    /// A run of elements of one of the table's arrays.
    struct Run: BitwiseCopyable {
        var start: UInt32 = 0
        var count: UInt32 = 0

        var range: Range<Int> { Int(start)..<Int(start) + Int(count) }
    }

    struct RegexEdge: BitwiseCopyable {
        var regex: Regex.Handle
        var child: UInt32
    }

    struct MixEdge: BitwiseCopyable {
        var glob: SegmentGlob
        var child: UInt32
    }

    struct Endpoint: BitwiseCopyable {
        var methods: MethodSet
        var index: UInt32
    }

    static let noRank = UInt32.max
    /// The answer of a look-up when no endpoint matches path and method.
    static let noMatch = -1
    /// The answer when a regex was given up, or the path has so many segments, or so long ones, that the look-up would take too much work: which
    /// endpoint is meant is unknown. Never another endpoint's index, whose policies may admit more.
    static let overLimit = -2
    /// Regex matches that one look-up may begin, beyond one for each regex of the table: those are `**`'s repetitions.
    static let regexRepetitionsMax = 256
    /// Visits of nodes that one look-up may make beyond one for each node of the table, and beyond one for 64 bytes of the path. Only a `**` in
    /// front of other segments takes so many, on a path of hundreds of segments: an endpoint that ends with `**` is one visit.
    static let visitsMax = 256
    /// Steps that the mixes of one look-up may take, beyond four for each of them and one for sixteen bytes of the path.
    static let globStepsMax = 2048

    let nodes: ArenaSlice<Node>
    let regexEdges: ArenaSlice<RegexEdge>
    let mixEdges: ArenaSlice<MixEdge>
    let endpoints: ArenaSlice<Endpoint>
    /// What `RouteMemory` needs room for.
    let memoryCapacity: Int

    /// The index, in the list that was compiled, of the most specific endpoint that matches path and method;
    /// otherwise `noMatch` or `overLimit`, both negative.
    ///
    /// Allocates nothing. Recursion is as deep as the longest pattern, whatever the path.
    ///
    /// - Parameters:
    ///   - path: the normalised path inside the domain. One that begins with no slash matches nothing.
    ///   - method: the request's one bit, from the `MethodTable` of the same registry.
    ///   - memory: the worker's, with room for `memoryCapacity` marks.
    func match(
        path: ByteView, method: MethodSet, memory: RouteMemory.Handle, scratch: MatchScratch.Handle
    ) -> Int {
        guard path.count > 0, path[0] == UInt8(ascii: "/") else { return Self.noMatch }
        precondition(memory.pointee.capacity >= memoryCapacity)
        memory.pointee.begin()
        var search = EndpointSearch(table: self, path: path, method: method, memory: memory, scratch: scratch)
        search.visit(0, at: 1)
        return search.isOverLimit ? Self.overLimit : search.best
    }
}

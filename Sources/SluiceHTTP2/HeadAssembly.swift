import SluiceHTTP

/// Makes of the fields of one block the text that HTTP/1.1 would have had for them, in memory that the caller lends.
///
/// A field is written as `name: value` and CRLF behind what there is, and looked at when it is whole. Pseudo-header fields come before all others; until
/// the first of those ends, only their values are kept, one behind the other, and then the first line is made of them (`+Compose`). Cookie crumbs
/// are joined (RFC 9113, 8.2.3).
///
/// A block has to be decoded to its end whatever is wrong with it, because later ones build on it (RFC 9113, 4.3). So a fault of the message is
/// remembered, and from then on every field takes the place of the one before.
struct HeadAssembly: BitwiseCopyable {
    enum Purpose: UInt8, BitwiseCopyable {
        case request, response, trailers
        /// Decoded for the sake of later blocks only.
        case dropped
    }

    private(set) var purpose = Purpose.dropped
    /// What makes the message malformed or too large; nil as long as nothing does.
    private(set) var fault: HTTP2Reason?
    /// Bytes that are written.
    var count = 0
    /// Where the field that is being decoded begins.
    var fieldStart = 0
    /// The field is longer than all of the memory: its bytes are counted by the decoder and nothing else.
    private(set) var isUnstorable = false
    /// The first line is there.
    var isComposed = false
    /// Which pseudo-header fields have come: one bit for each kind.
    var seen: UInt16 = 0

    // Where the values stand; of the authority also once the first line is there.
    var method = HeadRange(start: 0, count: 0)
    var path = HeadRange(start: 0, count: 0)
    var authority = HeadRange(start: 0, count: 0)
    var status = HeadRange(start: 0, count: 0)
    var protocolName = HeadRange(start: 0, count: 0)
    /// Whether `:scheme` is `https`.
    private(set) var isHTTPS = false
    /// What Content-Length says, or -1.
    private(set) var contentLength: Int64 = -1

    private var fields = 0
    private(set) var crumbs = 0
    private var decodedBytes = 0
    /// Where the last cookie line ends, or -1.
    private var cookieEnd = -1
    /// There is more than one cookie line.
    private(set) var areCrumbsScattered = false

    /// The caller's memory, which may be another place in each call, with the same bytes in it.
    var memory: UnsafeMutablePointer<UInt8>
    /// Bytes of it that may be used.
    private(set) var capacity: Int
    private let limits: UnsafePointer<HTTP2Limits>

    /// - Parameter limits: lives as long as this.
    init(limits: UnsafePointer<HTTP2Limits>) {
        self.limits = limits
        memory = UnsafeMutablePointer(mutating: ByteView.empty.base)
        capacity = 0
    }

    /// Begins with a block.
    mutating func begin(_ purpose: Purpose, _ area: HTTP2HeadArea) {
        self = HeadAssembly(limits: limits)
        self.purpose = purpose
        lend(area)
    }

    /// The memory, which holds what was written into it before.
    mutating func lend(_ area: HTTP2HeadArea) {
        memory = area.base
        capacity = min(area.capacity, limits.pointee.headBytes)
    }

    /// Gives up the message; what follows of the block is decoded and dropped.
    mutating func give(up reason: HTTP2Reason) {
        if fault == nil { fault = reason }
    }

    private var isDropping: Bool { fault != nil || purpose == .dropped }

    /// Whether the request is for another protocol over its stream (RFC 8441).
    var isTunnel: Bool { has(.protocolName) }

    func has(_ kind: FieldKind) -> Bool { seen & (1 << UInt16(kind.rawValue)) != 0 }

    // MARK: a field

    mutating func beginField() {
        fieldStart = count
        isUnstorable = false
    }

    @inline(__always)
    var room: Int { capacity &- count }

    /// Bytes of the memory from this place on.
    @inline(__always)
    func readable(from place: UnsafePointer<UInt8>) -> Int { UnsafePointer(memory) + capacity - place }

    /// Writes these bytes as part of the field.
    @inline(__always)
    mutating func append(_ bytes: UnsafePointer<UInt8>, count added: Int) {
        if added > room { overflow(added) }
        guard !isUnstorable else { return }
        (memory + count).update(from: bytes, count: added)
        count &+= added
    }

    @inline(__always)
    mutating func append(_ first: UInt8, _ second: UInt8) {
        if room < 2 { overflow(2) }
        guard !isUnstorable else { return }
        memory[count] = first
        memory[count &+ 1] = second
        count &+= 2
    }

    /// Makes room for `bytes` more of the field, by giving up the message if need be.
    @inline(never)
    mutating func overflow(_ bytes: Int) {
        give(up: .headTooLong)
        if fieldStart > 0, !isUnstorable {
            memory.update(from: memory + fieldStart, count: count &- fieldStart)
            count &-= fieldStart
            fieldStart = 0
        }
        if bytes > room {
            isUnstorable = true
            count = 0
        }
    }

    /// The field is whole: its name, a colon, a blank, its value and CRLF stand from `fieldStart` on, unless it is unstorable.
    ///
    /// - Returns: what ends the connection, or nil.
    @inline(__always)
    mutating func endField(_ kind: FieldKind, nameCount: Int, valueCount: Int) -> HTTP2Reason? {
        decodedBytes &+= nameCount &+ valueCount &+ HPACKDynamicTable.overhead
        guard decodedBytes <= limits.pointee.decodedBytes else { return .decodedTooLong }
        if isDropping {
            count = 0
            return nil
        }
        if kind == .plain, isComposed || purpose == .trailers {
            fields &+= 1
            if fields > limits.pointee.fields { give(up: .tooManyFields) }
            return nil
        }
        endOther(kind, nameCount: nameCount, valueCount: valueCount)
        return nil
    }

    /// Counts what is no field, but takes the work of one.
    mutating func charge() -> HTTP2Reason? {
        decodedBytes &+= HPACKDynamicTable.overhead
        return decodedBytes <= limits.pointee.decodedBytes ? nil : .decodedTooLong
    }

    @inline(never)
    private mutating func endOther(_ kind: FieldKind, nameCount: Int, valueCount: Int) {
        if kind.isPseudo {
            endPseudo(kind, nameCount: nameCount, valueCount: valueCount)
            return
        }
        if !isComposed, purpose != .trailers {
            compose()
            guard fault == nil else { return }
        }
        // The bytes of the line may have moved.
        let value = ByteView(base: memory + (fieldStart &+ nameCount &+ 2), count: valueCount)
        guard kind == .plain || FieldBytes.isValue(value.base, count: valueCount, readable: readable(from: value.base)), kind != .malformedValue else {
            give(up: kind == .malformedName ? .fieldName : .fieldValue)
            return
        }
        fields &+= 1
        switch kind {
        case .cookie where purpose == .request: endCrumb(value)
        case .host where purpose == .request && has(.authority):
            guard isAuthority(value) else { return give(up: .hostMismatch) }
            // It says what the line that is there already says.
            fields &-= 1
            count = fieldStart
        case .contentLength where purpose != .trailers:
            guard let length = value.decimal(atMost: UInt64(Int64.max)), contentLength < 0 || contentLength == Int64(length) else {
                return give(up: .contentLength)
            }
            contentLength = Int64(length)
        case .te:
            guard value.equalsIgnoringCase("trailers") else { return give(up: .connectionField) }
        case .connectionSpecific: return give(up: .connectionField)
        case .malformedName: return give(up: .fieldName)
        default: break
        }
        if fields > limits.pointee.fields { give(up: .tooManyFields) }
    }

    private mutating func endPseudo(_ kind: FieldKind, nameCount: Int, valueCount: Int) {
        guard !isComposed, !has(kind), purpose == (kind == .status ? .response : .request) else { return give(up: .pseudoField) }
        let value = memory + (fieldStart &+ nameCount &+ 2)
        seen |= 1 << UInt16(kind.rawValue)
        let range = HeadRange(start: fieldStart, count: valueCount)
        switch kind {
        case .method: method = range
        case .path: path = range
        case .authority: authority = range
        case .status: status = range
        case .scheme:
            let scheme = ByteView(base: value, count: valueCount)
            isHTTPS = scheme == "https"
            guard isHTTPS || scheme == "http" else { return give(up: .scheme) }
            count = fieldStart
            return
        case .protocolName:
            guard limits.pointee.extendedConnect else { return give(up: .protocolField) }
            protocolName = range
        default: return give(up: .pseudoField)
        }
        (memory + fieldStart).update(from: value, count: valueCount)
        count = fieldStart &+ valueCount
    }

    /// Joins a crumb to the line before it, if that is one of a cookie; other lines are joined at the end.
    private mutating func endCrumb(_ value: ByteView) {
        crumbs &+= 1
        guard crumbs <= limits.pointee.crumbs else { return give(up: .tooManyCrumbs) }
        if crumbs > 1 { fields &-= 1 }
        if crumbs > 1, value.isEmpty {
            // Joined, it would be a blank at the end of the value.
            count = fieldStart
            return
        }
        if cookieEnd == fieldStart {
            memory[fieldStart &- 2] = 0x3B
            memory[fieldStart &- 1] = 0x20
            (memory + fieldStart).update(from: value.base, count: value.count &+ 2)
            count = fieldStart &+ value.count &+ 2
        } else if crumbs > 1 {
            areCrumbsScattered = true
        }
        cookieEnd = count
    }

    private func isAuthority(_ value: ByteView) -> Bool {
        guard value.count == Int(authority.count) else { return false }
        for index in 0..<value.count where value[index].asciiLowercased != memory[Int(authority.start) + index].asciiLowercased { return false }
        return true
    }
}

/// Memory of the caller's for the head or trailers that a session decodes. The block has to stand in the same bytes until it is whole, see
/// `HTTP2Session.isInBlock`; they may be moved, not changed.
package struct HTTP2HeadArea: BitwiseCopyable {
    package var base: UnsafeMutablePointer<UInt8>
    package var capacity: Int

    /// Bytes that it has at least.
    package static let capacityMin = 256

    /// - Parameter capacity: `capacityMin` or more; of it at most `HTTP2Limits.headBytes` are used. At least as many as the table of HPACK has, or a field that is to be kept
    ///   there and does not fit ends the connection.
    package init(base: UnsafeMutablePointer<UInt8>, capacity: Int) {
        precondition(capacity >= Self.capacityMin)
        self.base = base
        self.capacity = capacity
    }
}

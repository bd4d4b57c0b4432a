/// The elements of a comma-separated list (RFC 9110, 5.6.1), blanks trimmed; empty elements are passed over, as a recipient must.
/// Commas inside quoted strings are not known: for lists of tokens and addresses only.
///
/// A peer's list has a bound on its elements. Empty ones are not counted: passing over them costs no more than any other byte.
package struct ListElements: BitwiseCopyable {
    /// Elements of a list that nobody has a use for in greater length.
    package static let elementsMax = 64

    private let list: ByteView
    private var position = 0
    /// Elements that may still be read. To be carried over from line to line of one field.
    package private(set) var left: Int

    package init(_ list: ByteView, atMost left: Int = ListElements.elementsMax) {
        self.list = list
        self.left = left
    }

    /// Whether there are more elements than may be read: meant to be asked when `next` has answered nil.
    package var isOverLimit: Bool { position < list.count }

    /// The next element; nil at the end, and where the bound is reached.
    package mutating func next() -> ByteView? {
        while position < list.count, ListElements.isBetween(list.base[position]) { position &+= 1 }
        guard position < list.count, left > 0 else { return nil }
        let start = position
        let end = ByteScan.index(of: Ascii.comma, list.base, from: start, to: list.count)
        position = end &+ 1
        left &-= 1
        return list[start..<end].trimmed
    }

    /// The last element, taken away from the list; nil if there is none.
    static func removeLast(_ list: inout ByteView) -> ByteView? {
        var end = list.count
        while end > 0, isBetween(list.base[end &- 1]) { end &-= 1 }
        guard end > 0 else { return nil }
        var start = end
        while start > 0, list.base[start &- 1] != Ascii.comma { start &-= 1 }
        let element = list[start..<end].trimmed
        list = list[0..<start]
        return element
    }

    /// A comma or blank.
    @inline(__always)
    private static func isBetween(_ byte: UInt8) -> Bool { byte == Ascii.comma || byte.isBlank }
}

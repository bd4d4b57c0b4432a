/// The elements of a comma-separated list (RFC 9110, 5.6.1), blanks trimmed; empty elements are passed over, as a recipient must.
/// Commas inside quoted strings are not known: for lists of tokens and addresses only.
///
/// A peer's list has a bound on its elements, of which empty ones are as dear as others: a recipient has to take "a reasonable number" of
/// them (5.6.1.2), not 30,000.
package struct ListElements: BitwiseCopyable {
    /// Elements, empty ones included, of a list that nobody has a use for in greater length.
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

    /// The next element that is not empty; nil at the end, and where the bound is reached.
    package mutating func next() -> ByteView? {
        while position < list.count, left > 0 {
            let start = position
            position = ByteScan.index(of: Ascii.comma, list.base, from: start, to: list.count)
            let element = list[start..<position].trimmed
            position &+= 1
            left &-= 1
            if !element.isEmpty { return element }
        }
        return nil
    }

    /// The last element, taken away from the list; empty if there is nothing between two commas. Nil for a list of no bytes.
    static func removeLast(_ list: inout ByteView) -> ByteView? {
        guard !list.isEmpty else { return nil }
        var start = list.count
        while start > 0, list.base[start &- 1] != Ascii.comma { start &-= 1 }
        let element = list[start..<list.count].trimmed
        list = list[0..<(start > 0 ? start - 1 : 0)]
        return element
    }
}

/// The elements of a comma-separated list (RFC 9110, 5.6.1), blanks trimmed; empty elements are passed over, as a recipient must.
/// Commas inside quoted strings are not known: for lists of tokens and addresses only.
package struct ListElements: BitwiseCopyable {
    private let list: ByteView
    private var position = 0

    package init(_ list: ByteView) {
        self.list = list
    }

    /// The next element that is not empty, or nil at the end.
    package mutating func next() -> ByteView? {
        while position < list.count {
            let start = position
            while position < list.count, list.base[position] != Ascii.comma { position &+= 1 }
            let element = list[start..<position].trimmed
            position &+= 1
            if !element.isEmpty { return element }
        }
        return nil
    }

    /// The last element that is not empty, taken away from the list; nil if there is none.
    static func removeLast(_ list: inout ByteView) -> ByteView? {
        while !list.isEmpty {
            var start = list.count
            while start > 0, list.base[start &- 1] != Ascii.comma { start &-= 1 }
            let element = list[start..<list.count].trimmed
            list = list[0..<(start > 0 ? start - 1 : 0)]
            if !element.isEmpty { return element }
        }
        return nil
    }
}

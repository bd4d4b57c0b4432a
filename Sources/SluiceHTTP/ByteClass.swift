/// The character classes of RFC 9110 and RFC 3986, one look-up each.
///
/// The table is a literal because a literal is a constant address: a stored static would put a lazy
/// initialisation check into every loop that reads it. Entry `b` is `@` plus the bits below; sixteen entries a row.
@usableFromInline
enum ByteClass {
    /// `tchar` (RFC 9110, 5.6.2).
    static let token: UInt8 = 1
    /// May stand in a path without any work for the normaliser: `target` without `%`, `;`, `?` and the backslash.
    /// A slash or a dot behind a slash gives it work all the same.
    static let plainPath: UInt8 = 2
    /// May stand in a `reg-name` as it is (RFC 3986, 3.2.2), but for the comma: see `Authority`.
    static let hostName: UInt8 = 4
    /// `unreserved` (RFC 3986, 2.3).
    static let unreserved: UInt8 = 8
    /// May stand in a request target: visible ASCII without `#`, which ends what a client may send (RFC 9112, 3.2).
    static let target: UInt8 = 16

    @inline(__always)
    static func isMember(_ byte: UInt8, of classes: UInt8) -> Bool { table[Int(byte)] & classes != 0 }

    @inline(__always)
    private static var table: UnsafePointer<UInt8> {
        let rows: StaticString = #"""
            @@@@@@@@@@@@@@@@\#
            @@@@@@@@@@@@@@@@\#
            @WRAWQWWVVWWR__R\#
            __________RTRVRP\#
            R_______________\#
            ___________RPRS_\#
            S_______________\#
            ___________RSR_@\#
            @@@@@@@@@@@@@@@@\#
            @@@@@@@@@@@@@@@@\#
            @@@@@@@@@@@@@@@@\#
            @@@@@@@@@@@@@@@@\#
            @@@@@@@@@@@@@@@@\#
            @@@@@@@@@@@@@@@@\#
            @@@@@@@@@@@@@@@@\#
            @@@@@@@@@@@@@@@@
            """#
        return rows.utf8Start
    }
}

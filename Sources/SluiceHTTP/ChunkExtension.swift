/// The grammar of a chunk's extension, `*( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] ) CR` (RFC 9112, 7.1.1), as a table: a blank
/// must be followed by what the grammar wants next. Two look-ups a byte, whatever the peer writes.
enum ChunkExtension {
    /// Behind the size.
    static let start: UInt8 = 0
    /// Behind the CR. This state and `failed` are the highest.
    static let ended: UInt8 = 10
    static let failed: UInt8 = 11

    /// The state after one more byte.
    @inline(__always)
    static func next(_ state: UInt8, _ byte: UInt8) -> UInt8 {
        states[Int(state) &<< 4 | Int(classes[Int(byte)] & 15)] & 15
    }

    /// Where the extension ends that begins at `start`: the index behind its CR, at most `end`. -1 if it is none or has not come whole.
    @inline(__always)
    static func end(_ bytes: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        var state = ChunkExtension.start
        var index = start
        while index < end {
            state = next(state, bytes[index])
            index &+= 1
            if state >= ended { return state == ended ? index : -1 }
        }
        return -1
    }

    /// The class of every byte: 0 of a token, 1 CR, 2 `;`, 3 `=`, 4 a quotation mark, 5 a backslash, 6 a blank, 7 any other of a quoted
    /// string, 8 what can stand nowhere. Sixteen a row.
    @inline(__always)
    private static var classes: UnsafePointer<UInt8> {
        let rows: StaticString = #"""
            8888888886888188\#
            8888888888888888\#
            6040000077007007\#
            0000000000727377\#
            7000000000000000\#
            0000000000075700\#
            0000000000000000\#
            0000000000070708\#
            7777777777777777\#
            7777777777777777\#
            7777777777777777\#
            7777777777777777\#
            7777777777777777\#
            7777777777777777\#
            7777777777777777\#
            7777777777777777
            """#
        return rows.utf8Start
    }

    /// For every state a row with the state behind each class, `@` plus its number. The states: behind the size, before a semicolon, before a name, in a name,
    /// behind it, before a value, in a value, in a quoted string, behind a backslash in it, behind it.
    @inline(__always)
    private static var states: UnsafePointer<UInt8> {
        let rows: StaticString = #"""
            KJBKKKAKKKKKKKKK\#
            KKBKKKAKKKKKKKKK\#
            CKKKKKBKKKKKKKKK\#
            CJBEKKDKKKKKKKKK\#
            KKBEKKDKKKKKKKKK\#
            FKKKGKEKKKKKKKKK\#
            FJBKKKAKKKKKKKKK\#
            GKGGIHGGKKKKKKKK\#
            GKGGGGGGKKKKKKKK\#
            KJBKKKAKKKKKKKKK
            """#
        return rows.utf8Start
    }
}

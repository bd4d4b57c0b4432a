/// A scan of texts of JSON, for the module that reads them.
package enum JSONScan {
    /// Index of the first byte in `start..<end` that does not stand for itself in a string of JSON (RFC 8259, 7): a quotation mark, a backslash, a control
    /// character, or a byte beyond ASCII, which may be part of a character or not. `end` if there is none.
    package static func endOfPlain(_ base: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int {
        ByteScan.endOfPlainJSON(base, from: start, to: end)
    }
}

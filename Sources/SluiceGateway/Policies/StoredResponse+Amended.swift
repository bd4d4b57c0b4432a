import SluiceHTTP

extension StoredResponse {
    /// The response as an endpoint's changes and the domain's CORS policy make it, so that nothing is left to do when it is
    /// sent but to append the CORS fields of the request's origin.
    ///
    /// The framing stays as it is: no change can name it.
    func amended(by changes: FieldChanges?, cors: CORS.Compiled?, into arena: Arena) -> StoredResponse {
        var lines: [UInt8] = []
        var start = 0
        while start < head.count {
            var end = start
            while end < head.count, head[end] != UInt8(ascii: "\n") { end += 1 }
            end = min(end + 1, head.count)
            let line = head[start..<end]
            let isKept = start == 0 || !Self.isReplaced(Self.name(of: line), by: changes, cors)
            if isKept { lines += line.buffer }
            start = end
        }
        if let changes { lines += changes.setLines.buffer }
        return StoredResponse(status: status, head: arena.bytes(lines), body: body, isAmended: isAmended)
    }

    private static func isReplaced(_ name: ByteView, by changes: FieldChanges?, _ cors: CORS.Compiled?) -> Bool {
        if let changes, changes.drops(name) { return true }
        return cors != nil && CORS.removes(name)
    }
}

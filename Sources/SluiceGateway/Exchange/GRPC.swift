import SluiceHTTP

/// What the gateway knows of gRPC over HTTP/2: which requests are calls, how long a call may take, and how one is refused so that its client
/// reads a status. Calls pass as every other request does.
enum GRPC {
    /// The status of a call that was given no answer in its time: DEADLINE_EXCEEDED.
    static let deadlineExceeded = 4

    /// The status for a refusal that has this status of HTTP.
    static func status(of status: UInt16) -> Int {
        switch status {
        case 401: 16  // UNAUTHENTICATED
        case 403: 7  // PERMISSION_DENIED
        case 404, 405: 12  // UNIMPLEMENTED
        case 413, 429, 431: 8  // RESOURCE_EXHAUSTED
        case 408: deadlineExceeded
        case 500...: 14  // UNAVAILABLE
        default: 13  // INTERNAL
        }
    }

    /// Whether a request's Content-Type is that of a call: `application/grpc`, alone or with a suffix or parameters. Not `application/grpc-web`, which is
    /// another protocol.
    static func isCall(_ contentType: ByteView) -> Bool {
        let name = ByteView("application/grpc")
        guard contentType.count >= name.count, contentType[..<name.count].equalsIgnoringCase(name) else { return false }
        guard contentType.count > name.count else { return true }
        switch contentType[name.count] {
        case UInt8(ascii: "+"), UInt8(ascii: ";"), UInt8(ascii: " "): return true
        default: return false
        }
    }

    /// Milliseconds that `grpc-timeout` allows, rounded up: at most eight digits and a unit. Nil if it is something else.
    static func timeout(_ value: ByteView) -> UInt64? {
        guard value.count >= 2, value.count <= 9, let amount = value[..<(value.count - 1)].decimal(atMost: 99_999_999) else { return nil }
        let number = UInt64(amount)
        switch value[value.count - 1] {
        case UInt8(ascii: "H"): return number * 3_600_000
        case UInt8(ascii: "M"): return number * 60_000
        case UInt8(ascii: "S"): return number * 1000
        case UInt8(ascii: "m"): return number
        case UInt8(ascii: "u"): return (number + 999) / 1000
        case UInt8(ascii: "n"): return (number + 999_999) / 1_000_000
        default: return nil
        }
    }
}

extension Exchange {
    /// Whether the request is a gRPC call, by its Content-Type.
    var isGRPCCall: Bool {
        guard head.length > 0, let contentType = value(of: .contentType) else { return false }
        return GRPC.isCall(contentType)
    }

    /// Milliseconds that the client gives its call; nil where it says nothing that can be read.
    var grpcTimeout: UInt64? {
        for index in 0..<head.fields.count where headBytes[head.fields[index].name].equalsIgnoringCase("grpc-timeout") {
            return GRPC.timeout(headBytes[head.fields[index].value])
        }
        return nil
    }
}

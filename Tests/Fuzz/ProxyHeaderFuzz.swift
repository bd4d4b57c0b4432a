@testable import SluiceHTTP

/// `ProxyHeader`: a verdict never changes as bytes arrive; what is written anew from the parsed form reads the same.
enum ProxyHeaderFuzz: FuzzTarget {
    static let name = "proxy-header"

    static func run(_ input: ByteView) {
        let whole = ProxyHeader.parse(input)
        var length = Int.max
        if case .complete(let header) = whole {
            length = header.length
            require(length <= input.count && length <= ProxyHeader.bytesMax, "a header longer than its bytes or its bound")
            require(header.source != nil || header.sourcePort == 0, "a port without an address")
            checkRewritten(header)
        }
        if whole == .incomplete { require(input.count < ProxyHeader.bytesMax, "more is asked for than a header can have") }
        for count in input.prefixCounts {
            withCopy(input[..<count].buffer) { _, part in
                let outcome = ProxyHeader.parse(part)
                if count >= length {
                    require(outcome == whole, "another reading at \(count) bytes")
                } else if case .complete = whole {
                    require(outcome == .incomplete, "\(outcome) at \(count) of \(length) bytes")
                } else {
                    require(outcome == .incomplete || outcome == whole, "\(outcome) at \(count) bytes, \(whole) at the end")
                }
            }
        }
    }

    private static func checkRewritten(_ header: ProxyHeader) {
        guard let source = header.source else { return }
        let family = source.isV4 ? 4 : 6
        let text = "PROXY TCP\(family) \(source) \(source) \(header.sourcePort) 1\r\n"
        withCopy(Array(text.utf8)) { _, view in
            // An IPv4 address that came in its IPv6 form is written in the short one; both are the same address.
            guard case .complete(let again) = ProxyHeader.parse(view) else { return require(false, "no header: \(text)") }
            require(again.source == source && again.sourcePort == header.sourcePort, "another source: \(text)")
        }
    }
}

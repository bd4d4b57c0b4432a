import SluiceHTTP

extension Exchange {
    /// The client's trace context if it is one that can be continued (W3C Trace Context, 3.2).
    @inline(__always)
    var validTraceparent: ByteView? {
        guard let value = value(of: .traceparent), TraceParent.isValid(value) else { return nil }
        return value
    }
}

/// The fields after the last chunk (RFC 9112, 7.1.2): the same lines and the same strictness as in a head.
package enum TrailerSection {
    package enum Outcome: BitwiseCopyable, Sendable, Equatable {
        /// The section is whole; `length` counts its bytes, the empty line included. At least 2.
        case complete(length: Int)
        case incomplete
        case malformed(HeadFault)
    }

    /// Reads a trailer section from the start of `bytes`. `fields` means something only if the outcome is `.complete`.
    /// Which fields may be sent on is for `HopByHop.isForbiddenInTrailers` to say.
    package static func parse(
        _ bytes: ByteView, slots: UnsafeMutablePointer<FieldSlot>, capacity: Int, into fields: inout FieldTable
    ) -> Outcome {
        guard bytes.count <= Int(UInt32.max) else { return .malformed(.headTooLong) }
        fields = FieldTable(slots: slots, capacity: capacity)
        var repeated: UInt64 = 0
        switch FieldSection.parse(bytes, from: 0, into: &fields, repeated: &repeated) {
        case .complete(let end): return .complete(length: end)
        case .incomplete: return .incomplete
        case .malformed(let fault): return .malformed(fault)
        }
    }
}

import SluiceHTTP

/// One compiled policy in a chain: which one, and what it is here.
struct Step: BitwiseCopyable {
    /// The policy's row in the table.
    let number: UInt8
    /// Its compiled form, in the snapshot's arena.
    let compiled: UnsafeRawPointer

    init(number: UInt8, compiled: UnsafeRawPointer) {
        self.number = number
        self.compiled = compiled
    }

    init<Kind: Policy>(_ policy: Kind.Type, _ compiled: UnsafePointer<Kind.Compiled>) {
        self.init(number: PolicyTable.rows.number(of: policy), compiled: UnsafeRawPointer(compiled))
    }

    /// Asks the policy. The same code for a worker, a test and `sluice explain`.
    @inline(__always)
    func evaluate(_ exchange: inout Exchange) -> Verdict { PolicyTable.rows.evaluate(self, &exchange) }

    /// The compiled form of this policy; nil if the step is another one's.
    @inline(__always)
    func compiled<Kind: Policy>(of policy: Kind.Type) -> UnsafePointer<Kind.Compiled>? {
        number == PolicyTable.rows.number(of: policy) ? compiled.assumingMemoryBound(to: Kind.Compiled.self) : nil
    }

    /// What the policy declares. For what is done once for each configuration, and for `explain`.
    var policy: any Policy.Type { PolicyTable.all[Int(number)] }
}

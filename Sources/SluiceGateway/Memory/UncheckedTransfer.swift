/// Hands a value to the one thread that will use it from then on. Sendable, because nobody else touches it meanwhile.
struct UncheckedTransfer<Value>: @unchecked Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
}

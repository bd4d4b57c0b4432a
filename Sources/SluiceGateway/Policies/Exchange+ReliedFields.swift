import SluiceHTTP

// Fields that a policy has read, signed, checked or put into a cache key go on to the service: a client's Connection does not take them off
// again. The nomination is passed over, as it is for the fields that the gateway knows; the request itself is fine.

extension Exchange {
    /// The names of which the gateway knows nothing among those that Connection nominates, for fields outside of the head.
    func nominatedNames() -> NameSet {
        head.hasConnectionOptions ? ConnectionOptions.nominated(by: head.fields, in: headBytes) : NameSet(in: .empty)
    }

    /// The names that a signature lists by which the exchange has passed: no more than `NameSet` has room for.
    func signedNames() -> NameSet {
        guard isSigned, let value = value(of: .authorization), case .named = HMACAuthorization.form(of: value),
            let authorization = HMACAuthorization(value, form: .named)
        else { return NameSet(in: .empty) }
        var names = NameSet(in: authorization.headers)
        var listed = ListedHeaders(authorization.headers)
        while let name = listed.next() {
            if !names.add(name) { break }
        }
        return names
    }

    /// Has the lines pass that a signature covers, although Connection nominates them, and none that is read like one of them.
    mutating func relyOnSigned() {
        let isNominating = head.hasConnectionOptions
        let passesUnusual = context.pointee.withheldKinds == 0 && head.fields.present & KnownField.unusual.bit != 0
        guard isNominating || passesUnusual else { return }
        let names = signedNames()
        guard names.count > 0 else { return }
        let bytes = headBytes
        for index in 0..<head.fields.count {
            let slot = head.fields.slots + index
            let name = bytes[slot.pointee.name]
            switch slot.pointee.known {
            case .nominated where names.contains(name): slot.pointee.known = kind(ofNominated: name)
            case .unusual where passesUnusual:
                guard name.count <= context.pointee.scratchCapacity, !names.contains(name) else { break }
                let isReadAlike = names.contains(UnusualNames.usual(name, into: context.pointee.scratch))
                if isReadAlike { slot.pointee.known = .nominated }
            default: break
            }
        }
    }

    /// Has the lines of these names pass although Connection nominates them.
    mutating func rely(on names: FieldNames) {
        guard head.hasConnectionOptions else { return }
        let bytes = headBytes
        for index in 0..<head.fields.count where head.fields.slots[index].known == .nominated {
            let slot = head.fields.slots + index
            if names.contains(bytes[slot.pointee.name]) { slot.pointee.known = kind(ofNominated: bytes[slot.pointee.name]) }
        }
    }

    /// What a nominated line is otherwise: the kinds that can be nominated are these two.
    private func kind(ofNominated name: ByteView) -> KnownField {
        for index in 0..<name.count where !name[index].isUsualInNames { return .unusual }
        return .other
    }
}

extension UInt8 {
    /// A letter, digit or hyphen.
    fileprivate var isUsualInNames: Bool {
        asciiLowercased &- UInt8(ascii: "a") < 26 || self &- UInt8(ascii: "0") < 10 || self == UInt8(ascii: "-")
    }
}

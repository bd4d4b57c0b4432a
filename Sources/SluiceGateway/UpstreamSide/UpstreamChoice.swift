import SluiceHTTP

/// Chooses the address that an attempt goes to. A handle on the worker's origins; on its thread only.
struct UpstreamChoice: BitwiseCopyable {
    /// What came of it.
    enum Outcome {
        case address(UpstreamAddressRef)
        /// No name resolves, or all addresses are ejected.
        case none
        /// The circuit of the only address is open.
        case circuitOpen
    }

    let origins: UnsafeMutablePointer<OriginTable>
    /// Milliseconds for which an address of several is left out that keeps failing.
    let ejectionMilliseconds: UInt64
    /// Milliseconds for which the circuit of an only address is open.
    let circuitMilliseconds: UInt64

    /// The usable address with the fewest exchanges under way; equals take turns. Also settles which URL of the list is
    /// meant, because each may have a path of its own.
    func choose(_ block: ExchangeRef, at now: UInt64) -> Outcome {
        if let call = block.pointee.run.call {
            block.pointee.run.target = nil
            let origin = origins.pointee[call.pointee.origin]
            if origin.pointee.count == 1 { return only(origin.pointee.addresses[0], now) }
            var best: UpstreamAddressRef?
            consider(call.pointee.origin, &best, now)
            return taken(best, now)
        }
        guard let upstream = block.pointee.exchange.domain?.pointee.upstream else { return .none }
        let targets = upstream.pointee.targets
        // One URL with one address, as nearly all are.
        if targets.count == 1 {
            let target = targets.pointer(at: 0)
            block.pointee.run.target = target
            let origin = origins.pointee[target.pointee.origin]
            if origin.pointee.count == 1 { return only(origin.pointee.addresses[0], now) }
        }
        if let single = onlyTarget(targets) {
            block.pointee.run.target = single
            return only(origins.pointee[single.pointee.origin].pointee.addresses[0], now)
        }
        var best: UpstreamAddressRef?
        for index in 0..<targets.count {
            let target = targets.pointer(at: (index &+ origins.pointee.rotation) % targets.count)
            let before = best
            consider(target.pointee.origin, &best, now)
            if best != before { block.pointee.run.target = target }
        }
        origins.pointee.rotation &+= 1
        return taken(best, now)
    }

    /// The target that has an address, where the whole list has but one.
    private func onlyTarget(_ targets: ArenaSlice<CompiledUpstream.Target>) -> UnsafePointer<CompiledUpstream.Target>? {
        var found: UnsafePointer<CompiledUpstream.Target>?
        for index in 0..<targets.count {
            let target = targets.pointer(at: index)
            switch origins.pointee[target.pointee.origin].pointee.count {
            case 0: continue
            case 1 where found == nil: found = target
            default: return nil
            }
        }
        return found
    }

    private func consider(_ index: Int, _ best: inout UpstreamAddressRef?, _ now: UInt64) {
        let origin = origins.pointee[index]
        let count = origin.pointee.count
        guard count > 0 else { return }
        let first = origin.pointee.rotation
        origin.pointee.rotation = (first + 1) % count
        for offset in 0..<count {
            let address = origin.pointee.addresses[(first + offset) % count]
            guard address.pointee.isUsable(at: now) else { continue }
            if let chosen = best, chosen.pointee.outstanding <= address.pointee.outstanding { continue }
            best = address
        }
    }

    /// The address of several that was chosen.
    private func taken(_ address: UpstreamAddressRef?, _ now: UInt64) -> Outcome {
        guard let address else { return .none }
        address.pointee.noteChoice(at: now, sparedFor: ejectionMilliseconds)
        return .address(address)
    }

    /// An only address is tried even when it has failed a few times: there is none to spare it for. When it keeps failing, its
    /// circuit opens, and requests are refused at once instead of each finding out by itself.
    private func only(_ address: UpstreamAddressRef, _ now: UInt64) -> Outcome {
        address.pointee.isAdmitted(at: now, openFor: circuitMilliseconds) ? .address(address) : .circuitOpen
    }
}

import SluiceHTTP

// Where an exchange leads, as its snapshot knows it.

extension Exchange {
    /// The domain; nil while none was found.
    @inline(__always)
    var domain: UnsafePointer<CompiledDomain>? {
        get { domainPlace?.assumingMemoryBound(to: CompiledDomain.self) }
        set { domainPlace = newValue.map { UnsafeRawPointer($0) } }
    }

    /// The endpoint of that domain; nil while none was found.
    @inline(__always)
    var endpoint: UnsafePointer<CompiledEndpoint>? {
        get { endpointPlace?.assumingMemoryBound(to: CompiledEndpoint.self) }
        set {
            endpointPlace = newValue.map { UnsafeRawPointer($0) }
            fields = newValue?.pointee.fields
        }
    }

    /// The row of the counters that its domain is counted in.
    @inline(__always)
    var domainRow: Int { domain?.pointee.counter ?? WorkerCounters.nowhere }

    /// The row of the counters that its endpoint is counted in; a domain has one for requests that no endpoint matches.
    @inline(__always)
    var endpointRow: Int { endpoint?.pointee.counter ?? domain?.pointee.unmatchedCounter ?? WorkerCounters.nowhere }
}

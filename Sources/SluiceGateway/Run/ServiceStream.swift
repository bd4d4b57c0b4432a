/// What an exchange has of its own on a connection to a service that it shares with others (HTTP/2). It stands in the exchange's block and means nothing
/// unless `ExchangeRun.isOnSharedConnection`.
struct ServiceStream {
    /// The exchange's own time, since the connection's is everybody's.
    var deadline: Deadline

    /// Content of the request that the service's windows do not let through yet, and the trailers behind it; nil if there is none.
    var unsent: UnsafeMutableRawPointer?
    /// Of that content in the memory.
    var unsentStart = 0
    var unsentEnd = 0
    /// Bytes of trailers behind it; 0 for none.
    var unsentTrailers = 0
    /// The request ends with what is unsent.
    var endsRequest = false

    /// Content of the response that the client does not take yet, and the trailers behind it; nil if there is none.
    var held: UnsafeMutableRawPointer?
    var heldStart = 0
    var heldEnd = 0
    var heldTrailers = 0
    /// The service has sent all of its response.
    var hasEnded = false
    /// Whether the exchange is among those that go on in the connection's next turn, because the client takes more.
    var isResumed = false

    /// - Parameter owner: the exchange's block.
    init(owner: UnsafeMutableRawPointer) {
        deadline = Deadline(owner: owner, kind: .serviceStream)
    }

    var heldCount: Int { heldEnd - heldStart }
    var unsentCount: Int { unsentEnd - unsentStart }
}

extension ExchangeRef {
    /// Where the exchange's stream stands.
    @inline(__always)
    var serviceStream: UnsafeMutablePointer<ServiceStream> {
        (UnsafeMutableRawPointer(self) + ExchangeBlock.Layout.serviceStreamOffset).assumingMemoryBound(to: ServiceStream.self)
    }

    /// Where the deadline of the exchange's stream stands.
    var serviceDeadline: UnsafeMutablePointer<Deadline> { serviceStream.field(MemoryLayout<ServiceStream>.offset(of: \.deadline)) }
}

import CVirtualKernel

/// One exchange on a client's connection that speaks HTTP/2: what of its request has been sent, and what has come of its response.
final class ClientStream {
    let number: UInt32
    /// Its place in the client's requests.
    let request: Int
    let openedAt: UInt64

    // MARK: Request

    /// What of the body is not in a frame yet.
    var body: ArraySlice<UInt8> = []
    /// How much of it the client has at hand.
    var atHand = 0
    var trailers: [Field] = []
    /// The end comes in a frame of its own.
    var endsApart = false
    /// The client stops before the end, and keeps the stream.
    var stopsShort = false
    var hasEnded = false
    /// Bytes of content in frames, and what of them the gateway has credited.
    var framed = 0
    var credited = 0

    // MARK: Response

    var response: Message?
    var interim: [Message] = []
    var isWhole = false
    /// When its head came, the client itself had no more of its body, and had not ended it.
    var hadNothing = false
    /// What the gateway said when it ended the stream by a reset, or that it never looked at it.
    var resetCode: UInt32?
    var isUnserved = false
    /// The client has reset it.
    var isCancelled = false
    /// When it ended for the client, in whichever way.
    var overAt: UInt64?
    /// Bytes of content that the client has not credited.
    var owed = 0

    init(number: UInt32, request: Int) {
        self.number = number
        self.request = request
        openedAt = vk_now()
    }

    var isOver: Bool { overAt != nil }
    /// A response of which the end has not come.
    var isCut: Bool { !isWhole && !isCancelled && isOver }
}

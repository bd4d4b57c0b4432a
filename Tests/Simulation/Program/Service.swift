import CVirtualKernel
import Glibc

/// What a service says to a request, and how.
struct Script {
    enum Ending {
        /// The connection stays.
        case keeps
        /// It says so and ends the connection.
        case closes
        /// It ends the connection without a word, so that the gateway may meet it in its pool.
        case closesUnsaid
        /// It breaks the connection before it has said anything, in the midst of the head or of the body.
        case breaksFirst, breaksHead, breaksBody
        /// It says nothing until it is too late.
        case silent
        /// It says what is not a response.
        case lies
    }

    enum Framing { case length, chunked, untilEnd }

    var delay: UInt64 = 0
    var interim: [(status: Int, fields: [Field])] = []
    var status = 200
    var fields: [Field] = []
    var body: [UInt8] = []
    var framing = Framing.length
    var trailers: [Field] = []
    var ending = Ending.keeps
    /// It answers when the head is there, without waiting for the body.
    var isEarly = false
    /// It sends in pieces of so many bytes, so long apart.
    var pieces: (bytes: Int, apart: UInt64)?
}

/// A request as a service got it.
final class Seen {
    let service: Int
    let connection: Int
    var message: Message
    let headAt: UInt64
    /// When the gateway wrote its first byte.
    let firstByteAt: UInt64
    /// Not the first on its connection.
    let isReused: Bool
    var script: Script?
    /// What the service has done of the script.
    var sentBytes = 0
    var answeredAt: UInt64?
    /// When it began to say its response: the gateway still held the connection.
    var saidAt: UInt64?
    var brokeAt: UInt64?

    init(service: Int, connection: Int, message: Message, headAt: UInt64, firstByteAt: UInt64, isReused: Bool) {
        self.service = service
        self.connection = connection
        self.message = message
        self.headAt = headAt
        self.firstByteAt = firstByteAt
        self.isReused = isReused
    }

    var id: Int? { message.value("x-request-id").flatMap { Int($0.dropFirst(4)) } }
}

/// A connection that the gateway has opened to a service.
final class ServiceConnection {
    let service: Int
    let number: Int
    let descriptor: Int32
    var received: [UInt8] = []
    var outbox: ArraySlice<UInt8> = []
    var seen: [Seen] = []
    var isOpen = true
    /// The service ends it when the outbox is empty: in order or not.
    enum End { case inOrder, broken }
    var endsThen: End?
    var gatewayEnded = false
    /// Requests that have been answered, or begun to be.
    var answered = 0
    /// How far it was looked at.
    var looked = (bytes: 0, answered: 0)

    init(service: Int, number: Int, descriptor: Int32) {
        self.service = service
        self.number = number
        self.descriptor = descriptor
    }

    func pump() {
        guard isOpen else { return }
        if !outbox.isEmpty { outbox = outbox.dropFirst(World.send(descriptor, outbox)) }
        if outbox.isEmpty, let ending = endsThen {
            endsThen = nil
            isOpen = false
            if ending == .inOrder { shutdown(descriptor, Int32(SHUT_RDWR)) } else { vk_reset(descriptor) }
            return
        }
        while !gatewayEnded {
            switch World.receive(descriptor) {
            case .bytes(let bytes): received += bytes
            case .nothing: return
            case .end, .reset: gatewayEnded = true
            }
        }
        // A service ends its side when the client has ended its own.
        if gatewayEnded, isOpen {
            isOpen = false
            shutdown(descriptor, Int32(SHUT_RDWR))
        }
    }
}

import SluiceEvent
import SluiceGateway

/// The new process's side.
struct TakeOverClient {
    private let channel: DescriptorChannel
    private let identities: [UInt64]
    /// What the old process listens with.
    let sockets: [ListeningSocket]
    /// Its memories of accepted signatures, by name.
    let replays: [(name: String, descriptor: Int32)]

    /// Asks the process behind `path` for its sockets. Nil if there is none.
    init?(_ path: String) throws(TakeOver.Failure) {
        switch DescriptorChannel.connect(path, timeoutMilliseconds: TakeOver.answerMilliseconds) {
        case .success(let channel): self.channel = channel
        // Nobody has been here, or whoever was has died.
        case .failure(let error) where error.isRefusal || error.isAbsence: return nil
        case .failure(let error): throw TakeOver.Failure(message: "\(path): \(error)")
        }
        guard channel.send(TakeOver.greeting) else { throw TakeOver.Failure(message: "\(path): the process there does not listen") }
        var sockets: [ListeningSocket] = []
        var replays: [(name: String, descriptor: Int32)] = []
        while true {
            guard let message = channel.receive() else { throw TakeOver.Failure(message: "\(path): the process there does not answer") }
            if message.text == "end" { break }
            if message.text.hasPrefix("replays "), message.descriptors.count == 1 {
                replays.append((String(message.text.dropFirst("replays ".count)), message.descriptors[0]))
                continue
            }
            let letters = message.text.dropFirst("sockets ".count)
            guard message.text.hasPrefix("sockets "), letters.count == message.descriptors.count else {
                throw TakeOver.Failure(message: "\(path): the process there is not a compatible gateway")
            }
            sockets += zip(message.descriptors, letters).map { ListeningSocket(descriptor: $0, isHeldElsewhere: $1 == "H") }
        }
        self.sockets = sockets
        self.replays = replays
        identities = sockets.map(\.identity)
    }

    /// This process serves: the old one may end.
    ///
    /// - Parameter used: the sockets that it does not serve with are the old one's to empty.
    func ready(used: Set<UInt64>) throws(TakeOver.Failure) {
        let taken = identities.filter { used.contains($0) && $0 != 0 }.map { String($0, radix: 16) }
        guard channel.send((["ready"] + taken).joined(separator: " ")), channel.receiveText() == "draining" else {
            throw TakeOver.Failure(message: "the old process does not confirm that it drains")
        }
    }
}

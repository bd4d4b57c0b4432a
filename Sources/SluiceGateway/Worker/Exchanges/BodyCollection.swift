import SluiceHTTP

/// The bodies that steps of the chain wait for: asks clients for them, and lets the exchange go on when one is whole. How they are held is `HeldBodies`.
struct BodyCollection: BitwiseCopyable {
    /// All that it knows.
    struct State {
        let work: WorkArea
        let held: HeldBodies
        let clientEnd: ClientEnd
        let responses: ResponseWriter
        let answers: ExchangeAnswers
        let chain: ExchangeChain
    }

    private let state: UnsafeMutablePointer<State>
    private var work: WorkArea { state.pointee.work }
    private var held: HeldBodies { state.pointee.held }
    private var clientEnd: ClientEnd { state.pointee.clientEnd }
    private var responses: ResponseWriter { state.pointee.responses }
    private var answers: ExchangeAnswers { state.pointee.answers }
    private var chain: ExchangeChain { state.pointee.chain }

    init() { state = .allocate(capacity: 1) }

    /// Once, when every owner has its place.
    func wire(_ parts: WorkerParts, _ owners: WorkerOwners) {
        state.initialize(to: State(
            work: parts.work, held: parts.heldBodies, clientEnd: owners.clientEnd, responses: owners.responseWriter, answers: owners.answers,
            chain: owners.chain))
    }

    func deallocate() { state.deinitialize(count: 1).deallocate() }

    /// A step of the chain waits for the body.
    func begin(_ block: ExchangeRef) {
        let hasCome = block.pointee.inputCount > block.pointee.inputUsed
        guard collect(block) else { return }
        // Nobody else tells the client that it may send: no service is asked before all of the body is there.
        let expects = block.pointee.exchange.head.expectsContinue
        block.pointee.exchange.head.settleExpectation()
        if expects, !hasCome, block.pointee.exchange.head.minorVersion == 1 {
            var writer = work.writer
            writer.write("HTTP/1.1 100 Continue\r\n\r\n")
            guard responses.sendInterim(block, writer) else { return clientEnd.reset(block) }
        }
        clientEnd.awaitBody(block)
    }

    /// Some of the body has come. False if the exchange went on to something else.
    func collect(_ block: ExchangeRef) -> Bool {
        switch held.collect(block) {
        case .more: return true
        case .refused(let refusal): answers.fail(block, refusal)
        case .whole:
            // It has come: no service needs to be asked for leave to send it.
            block.pointee.exchange.head.settleExpectation()
            clientEnd.noteBodyHeld(block)
            chain.goOn(block, at: .sameStep)
        }
        return false
    }

    /// Some of a held body was sent on.
    func noteSent(_ block: ExchangeRef) { held.noteSent(block) }

    /// The exchange is over.
    func release(_ block: ExchangeRef) { held.release(block) }
}

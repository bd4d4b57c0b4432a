import SluiceEvent
import SluiceHTTP

/// After 101 both connections are one tunnel: bytes pass both ways unread, each side held back by the other's reader. This is the service's direction.
struct UpstreamTunnels: BitwiseCopyable {
    /// All that it knows.
    struct State {
        let turn: Turn
        let traffic: UnsafeMutablePointer<TrafficCounts>
        let work: WorkArea
        let upstreams: UpstreamConnections
        let requestHeads: UpstreamRequestHeads
        let course: ResponseCourse
    }

    private let state: UnsafeMutablePointer<State>
    private var turn: Turn { state.pointee.turn }
    private var traffic: UnsafeMutablePointer<TrafficCounts> { state.pointee.traffic }
    private var work: WorkArea { state.pointee.work }
    private var upstreams: UpstreamConnections { state.pointee.upstreams }
    private var requestHeads: UpstreamRequestHeads { state.pointee.requestHeads }
    private var course: ResponseCourse { state.pointee.course }

    init() { state = .allocate(capacity: 1) }

    /// Once, when every owner has its place.
    func wire(_ parts: WorkerParts, _ owners: WorkerOwners) {
        state.initialize(to: State(
            turn: parts.turn, traffic: parts.traffic, work: parts.work, upstreams: parts.upstreams, requestHeads: parts.requestHeads,
            course: owners.responseCourse))
    }

    func deallocate() { state.deinitialize(count: 1).deallocate() }

    /// The service accepts the client's upgrade.
    func begin(_ upstream: UpstreamRef, _ block: ExchangeRef, _ head: ResponseHead, _ bytes: ByteView) {
        guard block.pointee.exchange.head.upgrade, !block.pointee.run.isPreCall, block.pointee.run.requestBody == .complete
        else { return course.fail(block, .upstreamFailed("unexpected upgrade")) }
        guard requestHeads.accepts(head, bytes, block) else { return course.fail(block, .upstreamFailed("upgrade not confirmed")) }
        guard course.upgrade(block, head, bytes) else { return }
        upstream.pointee.state = .tunnelling
        turn.set(upstream.deadline, at: Deadline.never)
        if upstream.pointee.socket.mayRead { turn.enqueue(upstream) }
        course.beginTunnel(block)
    }

    /// Passes on what the service has sent, as long as the client takes it.
    func tunnel(_ upstream: UpstreamRef) {
        guard let block = upstream.pointee.exchange else { return upstreams.close(upstream) }
        var reads = 0
        while upstream.pointee.socket.mayRead, course.hasRoom(block) {
            let room = min(Limits.receiveBytes, course.room(block))
            guard reads < Limits.readsPerTurn else { return turn.enqueue(upstream) }
            reads += 1
            switch upstream.pointee.socket.receive(into: work.received, capacity: room) {
            case .bytes(let count):
                traffic.pointee.upstreamBytesReceived &+= UInt64(count)
                upstream.pointee.socket.mayRead = true
                block.pointee.run.responseBodyBytes += UInt64(count)
                guard course.sendTunnelled(block, work.received, count) else { return course.endTunnel(block) }
            case .wouldBlock: return
            case .ended:
                upstream.pointee.socket.mayRead = false
                return course.endStream(block)
            case .failed: return course.endTunnel(block)
            }
        }
    }
}

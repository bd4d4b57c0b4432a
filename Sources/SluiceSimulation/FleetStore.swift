internal import SluiceCounting

/// The store and the network before it, in virtual time.
final class FleetStore {
    struct Message {
        let time: UInt64
        let node: Int
        let connection: Int
        let content: Content
    }

    enum Content {
        case request(AllowanceBatch, run: String, isLeaving: Bool)
        case reply(AllowanceReplies?, sequence: UInt64)
    }

    var model: StoreModel
    var run = 1
    var isUp = true
    /// Microseconds that its wall clock is ahead of the simulation.
    var clockOffset = 1_700_000_000_000_000
    private var snapshots: [(time: UInt64, model: StoreModel)] = []
    private var messages: [Message] = []
    private let defect: StoreModel.Defect?

    init(defect: StoreModel.Defect?) {
        self.defect = defect
        model = StoreModel(defect: defect)
    }

    func send(_ message: Message) {
        // In order of arrival; most go to the end.
        var place = messages.count
        while place > 0, messages[place - 1].time > message.time { place -= 1 }
        messages.insert(message, at: place)
    }

    /// The next message that has arrived by `now`.
    func receive(by now: UInt64) -> Message? {
        guard let first = messages.first, first.time <= now else { return nil }
        return messages.removeFirst()
    }

    func exchange(_ batch: AllowanceBatch, from node: String, run: String, isLeaving: Bool, now: UInt64) -> AllowanceReplies? {
        model.exchange(batch, from: node, run: run, isLeaving: isLeaving, now: clockOffset + Int(now / 1000))
    }

    /// Loses one of the keys that the model stands for, or two at once, chosen by a number.
    func loseKeys(_ number: Int) {
        loseKey(number % 6)
        if number / 6 % 2 == 1 { loseKey(number / 12 % 6) }
    }

    private func loseKey(_ number: Int) {
        let project = model.rows.keys.sorted().first
        let window = model.windows.keys.sorted().last
        switch number {
        case 0: model.members = []
        case 1: if let project { model.rows[project] = nil }
        case 2: model.held = [:]
        case 3: model.clock = StoreModel.Clock()
        case 4: if let window { model.windows[window] = nil }
        default: model.sums = [:]
        }
    }

    /// Keeps what the store knows, for a restart from old data.
    func keepSnapshot(now: UInt64) {
        if let last = snapshots.last, now - last.time < 400_000_000 { return }
        snapshots.append((now, model))
        if snapshots.count > 12 { snapshots.removeFirst() }
    }

    /// Goes away; connections break, and with them what is on its way.
    /// - Parameter lost: how many milliseconds of writes are lost; `.max`: all.
    func stop(lost: Int?, now: UInt64) {
        isUp = false
        run += 1
        messages.removeAll()
        guard let lost else { return }
        if lost == .max {
            model = StoreModel(defect: defect)
        } else if let old = snapshots.last(where: { $0.time + UInt64(lost) * 1_000_000 <= now }) {
            model = old.model
        }
        snapshots.removeAll()
    }
}

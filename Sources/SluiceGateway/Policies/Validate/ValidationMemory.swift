import SluiceSchema

/// Where one worker reads and validates bodies, one after the other, whichever policy asks for it.
final class ValidationMemory: WorkerResource {
    struct State: BitwiseCopyable {
        let json: JSONMemory.Handle
        /// Documents until memory that a large one has left goes back.
        var untilTrim = ValidationMemory.documentsPerTrim

        /// A document is about to be read.
        mutating func note() {
            untilTrim -= 1
            guard untilTrim <= 0 else { return }
            untilTrim = ValidationMemory.documentsPerTrim
            json.trim()
        }
    }

    fileprivate static let documentsPerTrim = 256

    private let memory = JSONMemory()
    private let state: UnsafeMutablePointer<State>

    var handle: UnsafeMutableRawPointer { UnsafeMutableRawPointer(state) }

    init() {
        state = .allocate(capacity: 1)
        state.initialize(to: State(json: memory.handle))
    }

    deinit { state.deallocate() }
}

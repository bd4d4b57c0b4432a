import Glibc
import SluiceSchema

/// Where one worker reads and validates bodies and parameters, one after the other, whichever policy asks for it.
final class ValidationMemory: WorkerResource {
    struct State: BitwiseCopyable {
        let json: JSONMemory.Handle
        /// Where parameters are written as JSON.
        private var text: UnsafeMutablePointer<UInt8>?
        private var textCapacity = 0
        /// Documents until memory that a large one has left goes back.
        private var untilTrim = ValidationMemory.documentsPerTrim

        fileprivate init(_ json: JSONMemory.Handle) { self.json = json }

        /// A document is about to be read.
        mutating func note() {
            untilTrim -= 1
            guard untilTrim <= 0 else { return }
            untilTrim = ValidationMemory.documentsPerTrim
            json.trim()
            if textCapacity > ValidationMemory.textBytesKept { releaseText() }
        }

        /// Room for so many bytes; what stood there may be gone. Nil if there is no memory: clients choose how much is needed.
        mutating func reserve(_ count: Int) -> UnsafeMutablePointer<UInt8>? {
            if let text, count <= textCapacity { return text }
            releaseText()
            let capacity = max(count, 4096)
            text = malloc(capacity)?.assumingMemoryBound(to: UInt8.self)
            if text != nil { textCapacity = capacity }
            return text
        }

        fileprivate mutating func releaseText() {
            free(text)
            text = nil
            textCapacity = 0
        }
    }

    fileprivate static let documentsPerTrim = 256
    fileprivate static let textBytesKept = 64 * 1024

    private let memory = JSONMemory()
    private let state: UnsafeMutablePointer<State>

    var handle: UnsafeMutableRawPointer { UnsafeMutableRawPointer(state) }

    init() {
        state = .allocate(capacity: 1)
        state.initialize(to: State(memory.handle))
    }

    deinit {
        state.pointee.releaseText()
        state.deallocate()
    }
}

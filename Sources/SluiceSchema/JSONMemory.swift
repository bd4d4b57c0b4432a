import SluiceHTTP

/// The memory in which documents are read and validated, one after the other: one for each worker, kept from one to the next. Not safe for use on two threads.
///
/// It grows with the documents: sixteen bytes for a value or a name, of which a text of `n` bytes has at most `n/2`; four for each member or twelve for each
/// item of one object or array; and the bytes of a string with escapes. `trim` gives it back.
package final class JSONMemory {
    /// Arrays and objects within each other, at most: as many as common parsers take.
    package static let depthMax = 128
    /// Longest text: places in it are 32-bit numbers.
    package static let textBytesMax = 1 << 30
    /// What `trim` leaves, at most.
    private static let retainedBytes = 256 << 10

    struct State: BitwiseCopyable {
        var entries = Room<JSONEntry>()
        /// Places in a table of names, or of items.
        var slots = Room<UInt32>()
        var hashes = Room<UInt64>()
        /// Two strings whose escapes are decoded.
        var text = Room<UInt8>()
        var otherText = Room<UInt8>()
        /// Bytes of the longest text that was read since the last `trim`.
        var longest = 0
    }

    /// Memory that grows, whose content does not outlive that.
    struct Room<Element: BitwiseCopyable>: BitwiseCopyable {
        private(set) var base: UnsafeMutablePointer<Element>?
        private(set) var capacity = 0

        /// Room for so many; what stood there may be gone.
        @inline(__always)
        mutating func reserve(_ count: Int) -> UnsafeMutablePointer<Element> {
            if let base, count <= capacity { return base }
            return grow(count)
        }

        @inline(never)
        private mutating func grow(_ count: Int) -> UnsafeMutablePointer<Element> {
            release()
            capacity = max(64, count)
            let memory = UnsafeMutablePointer<Element>.allocate(capacity: capacity)
            base = memory
            return memory
        }

        var bytes: Int { capacity * MemoryLayout<Element>.stride }

        mutating func release() {
            base?.deallocate()
            base = nil
            capacity = 0
        }
    }

    /// Valid for as long as the `JSONMemory` that it came from.
    package struct Handle: BitwiseCopyable {
        let state: UnsafeMutablePointer<State>

        /// Gives back what large documents have left, if none was read since the last time.
        package func trim() {
            let longest = state.pointee.longest
            state.pointee.longest = 0
            guard longest * MemoryLayout<JSONEntry>.stride / 2 < JSONMemory.retainedBytes else { return }
            let bytes = state.pointee.entries.bytes + state.pointee.slots.bytes + state.pointee.hashes.bytes + state.pointee.text.bytes
                + state.pointee.otherText.bytes
            if bytes > JSONMemory.retainedBytes { release() }
        }

        fileprivate func release() {
            state.pointee.entries.release()
            state.pointee.slots.release()
            state.pointee.hashes.release()
            state.pointee.text.release()
            state.pointee.otherText.release()
        }
    }

    package let handle: Handle

    package init() {
        let state = UnsafeMutablePointer<State>.allocate(capacity: 1)
        state.initialize(to: State())
        handle = Handle(state: state)
    }

    deinit {
        handle.release()
        handle.state.deallocate()
    }
}

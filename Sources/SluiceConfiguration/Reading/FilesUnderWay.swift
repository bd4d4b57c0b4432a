import Synchronization

/// Files that are being read at this moment, so that it can be said which one a disk does not answer about. Any thread.
package enum FilesUnderWay {
    private struct State {
        var paths: [Int: String] = [:]
        var next = 0
    }

    private static let state = Mutex(State())

    /// A reading begins. Whoever says so ends it.
    package static func begin(_ path: String) -> Int {
        state.withLock { state in
            state.next += 1
            state.paths[state.next] = path
            return state.next
        }
    }

    package static func end(_ reading: Int) { state.withLock { $0.paths[reading] = nil } }

    /// What a number must be above of readings that begin after now.
    package static var latest: Int { state.withLock { $0.next } }

    /// The file whose reading has been under way for longest of those that began after `earlier`; nil if there is none.
    package static func longest(after earlier: Int) -> String? {
        state.withLock { state in state.paths.filter { $0.key > earlier }.min { $0.key < $1.key }?.value }
    }
}

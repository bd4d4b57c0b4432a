import CLibevent
import Glibc

/// The pieces of a few bytes that libevent allocates, in pages of their own.
///
/// libevent keeps 24 bytes for every descriptor that it has ever watched, until the end of its base. Taken from the heap, they lie
/// between what the connections of a burst have allocated. Each then keeps a page from going back to the system when the
/// burst is over: 12 MB after 4,000 connections of HTTP/2. In pages of their own they hold back nothing.
///
/// Any thread may call. A lock is enough: the steady state allocates nothing.
enum SmallMemory {
    /// What a piece takes: all that are at most so large are alike.
    static let pieceBytes = 32
    /// Address space, of which a page counts once it is touched. What finds it used up is taken from the heap.
    private static let regionBytes = 64 << 20

    /// Makes libevent use it. To be called before libevent allocates anything; only the first call does something.
    static func install() { _ = installed }

    private static let installed: Void = {
        guard state.pointee.region != nil else { return }
        event_set_mem_functions(
            { SmallMemory.allocate($0) }, { SmallMemory.reallocate($0, $1) }, { SmallMemory.free($0) })
    }()

    private struct State {
        /// Where the pieces are. Nil when the system has no such address space: all of them are the heap's then.
        let region: UnsafeMutableRawPointer?
        /// Guards what follows.
        var lock = pthread_mutex_t()
        /// Bytes of the region that were handed out once.
        var used = 0
        /// The pieces that came back, each the next one's address.
        var firstFree: UnsafeMutableRawPointer?
    }

    /// Safe on any thread: the pointer and `region` never change, and the rest is read and written under `lock`.
    nonisolated(unsafe) private static let state: UnsafeMutablePointer<State> = {
        let memory = mmap(nil, regionBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        let state = UnsafeMutablePointer<State>.allocate(capacity: 1)
        state.initialize(to: State(region: memory == MAP_FAILED ? nil : memory))
        pthread_mutex_init(&state.pointee.lock, nil)
        return state
    }()

    /// As `malloc`.
    static func allocate(_ size: Int) -> UnsafeMutableRawPointer? {
        guard size <= pieceBytes, let region = state.pointee.region else { return malloc(size) }
        pthread_mutex_lock(&state.pointee.lock)
        defer { pthread_mutex_unlock(&state.pointee.lock) }
        if let piece = state.pointee.firstFree {
            state.pointee.firstFree = piece.load(as: UnsafeMutableRawPointer?.self)
            return piece
        }
        guard state.pointee.used + pieceBytes <= regionBytes else { return malloc(size) }
        defer { state.pointee.used += pieceBytes }
        return region + state.pointee.used
    }

    /// As `realloc`.
    static func reallocate(_ memory: UnsafeMutableRawPointer?, _ size: Int) -> UnsafeMutableRawPointer? {
        guard let memory else { return allocate(size) }
        guard isPiece(memory) else { return realloc(memory, size) }
        if size <= pieceBytes { return memory }
        guard let larger = malloc(size) else { return nil }
        larger.copyMemory(from: memory, byteCount: pieceBytes)
        free(memory)
        return larger
    }

    /// As `free`.
    static func free(_ memory: UnsafeMutableRawPointer?) {
        guard let memory else { return }
        guard isPiece(memory) else { return Glibc.free(memory) }
        pthread_mutex_lock(&state.pointee.lock)
        memory.storeBytes(of: state.pointee.firstFree, as: UnsafeMutableRawPointer?.self)
        state.pointee.firstFree = memory
        pthread_mutex_unlock(&state.pointee.lock)
    }

    /// Whether the memory is a piece, and not the heap's.
    static func isPiece(_ memory: UnsafeMutableRawPointer) -> Bool {
        guard let region = state.pointee.region else { return false }
        return memory >= region && memory < region + regionBytes
    }
}

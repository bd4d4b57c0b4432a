import Glibc

/// Memory straight from the system, for what may be as large as an operator likes: all zeros, and each page counts only once it is
/// touched. Its owner frees it.
struct SystemMemory {
    let base: UnsafeMutableRawPointer
    let byteCount: Int

    /// Nil when the system has not so much, which elsewhere would end the process.
    static func allocate(byteCount: Int) -> SystemMemory? {
        let memory = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard memory != MAP_FAILED, let memory else { return nil }
        return SystemMemory(base: memory, byteCount: byteCount)
    }

    func deallocate() { munmap(base, byteCount) }
}

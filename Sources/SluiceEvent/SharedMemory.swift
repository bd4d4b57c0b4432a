import CLibevent
import Glibc

/// Memory that this process may share with another: all zeros at first, and each page counts only once it is touched. Whoever has its
/// descriptor can map it; nobody can make it smaller, so that no access to it fails. Sendable, because its members never change:
/// what lies in it is for its users to agree upon.
package final class SharedMemory: @unchecked Sendable {
    package let base: UnsafeMutableRawPointer
    package let byteCount: Int
    /// Of the memory; -1 where it was not kept or the system gives none, and then no other process can have it.
    package let descriptor: Int32

    /// New memory. Nil when the system has not so much.
    /// - Parameter keepsDescriptor: whether another process may be given it later; costs a descriptor.
    package init?(byteCount: Int, keepsDescriptor: Bool) {
        let made = sluice_shared_memory(byteCount)
        let flags = made >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS
        let memory = mmap(nil, byteCount, PROT_READ | PROT_WRITE, flags | MAP_NORESERVE, made, 0)
        guard memory != MAP_FAILED, let memory else {
            if made >= 0 { close(made) }
            return nil
        }
        if made >= 0, !keepsDescriptor { close(made) }
        descriptor = keepsDescriptor ? made : -1
        base = memory
        self.byteCount = byteCount
    }

    /// Memory that another process has made with `init(byteCount:keepsDescriptor:)`. Takes the descriptor over, and closes it where
    /// this is not memory of that size.
    package init?(descriptor: Int32, byteCount: Int) {
        guard sluice_is_shared_memory(descriptor, byteCount) else {
            close(descriptor)
            return nil
        }
        let memory = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
        guard memory != MAP_FAILED, let memory else {
            close(descriptor)
            return nil
        }
        self.descriptor = descriptor
        base = memory
        self.byteCount = byteCount
    }

    deinit {
        munmap(base, byteCount)
        if descriptor >= 0 { close(descriptor) }
    }
}

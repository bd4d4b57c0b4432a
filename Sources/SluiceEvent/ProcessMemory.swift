import CLibevent

/// What others may see of this process's memory.
package enum ProcessMemory {
    /// Forbids core files of this process, and other processes of its user, root's excepted, to look into it (prctl(2),
    /// PR_SET_DUMPABLE). A limit on the size of core files would not do: the kernel ignores it where they go to a program.
    package static func forbidDumps() { _ = sluice_set_dumpable(0) }
}

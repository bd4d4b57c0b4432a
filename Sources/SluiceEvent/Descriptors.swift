import Glibc

/// The process's descriptors.
package enum Descriptors {
    /// How many it may have open at once.
    package static var limit: Int {
        var limits = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limits) == 0 else { return Int.max }
        return Int(clamping: limits.rlim_cur)
    }

    /// The lowest number that is free, which the next descriptor gets; nil if none is. `descriptor` is any that is open.
    package static func lowestFree(_ descriptor: Int32) -> Int32? {
        let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
        guard copy >= 0 else { return nil }
        close(copy)
        return copy
    }
}

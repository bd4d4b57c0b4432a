import Glibc
import Synchronization

// Locks of buckets, and what becomes of them when a process that holds one is killed.

extension LimitTable {
    /// One of the processes that use a table.
    package struct Process: BitwiseCopyable, Sendable {
        /// Stands in the locks that it holds. At least 1.
        let number: UInt64
        /// The file whose byte of that number it has locked for as long as it lives; -1 where the table is its own.
        let descriptor: Int32

        /// The only one.
        static var only: Process { Process(number: 1, descriptor: -1) }

        private static let numbers: ClosedRange<UInt64> = 1...1000

        /// The first number that no living process has, and that is this one's from here on.
        static func number(in descriptor: Int32) -> UInt64? {
            numbers.first { number in
                var lock = byte(number, Int32(F_WRLCK))
                return fcntl(descriptor, setLock, &lock) == 0
            }
        }

        /// Whether the process that had a number has ended.
        func hasEnded(_ number: UInt64) -> Bool {
            guard descriptor >= 0, number != self.number else { return false }
            var lock = Self.byte(number, Int32(F_WRLCK))
            return fcntl(descriptor, Self.getLock, &lock) == 0 && Int32(lock.l_type) == F_UNLCK
        }

        // F_OFD_GETLK and F_OFD_SETLK of fcntl(2), which the module map leaves out. Such a lock ends with the last descriptor of what was opened, and
        // stands against others of the same process.
        private static let getLock: Int32 = 36
        private static let setLock: Int32 = 37

        private static func byte(_ number: UInt64, _ type: Int32) -> flock {
            var lock = Glibc.flock()
            lock.l_type = Int16(type)
            lock.l_whence = Int16(SEEK_SET)
            lock.l_start = off_t(number)
            lock.l_len = 1
            return lock
        }
    }

    /// How often a lock is looked at before the table counts as full.
    private static let spinsMax = 2_000

    func lock(_ bucket: Words) -> Bool {
        for _ in 0..<Self.spinsMax {
            if bucket.pointee.load(ordering: .relaxed) == 0,
                bucket.pointee.compareExchange(expected: 0, desired: process.number, ordering: .acquiring).exchanged
            {
                return true
            }
        }
        return takeOver(bucket)
    }

    func unlock(_ bucket: Words) { bucket.pointee.store(0, ordering: .releasing) }

    /// Takes the lock of a process that has ended. False if its holder lives, or if there is none any more.
    @inline(never)
    private func takeOver(_ bucket: Words) -> Bool {
        let holder = bucket.pointee.load(ordering: .acquiring)
        guard holder != 0, process.hasEnded(holder),
            bucket.pointee.compareExchange(expected: holder, desired: process.number, ordering: .acquiring).exchanged
        else { return false }
        mend(bucket)
        return true
    }

    /// What a process has left in a bucket that ended with its lock. Whoever calls it has the lock, or is alone.
    ///
    /// Every charge is a single word, so none is half done. A place that was being given to another would be found by nobody: it remains its
    /// key's, which has rested, or whose slots are somebody's.
    private func mend(_ bucket: Words) {
        for number in 0..<Self.placesOfBucket {
            let key = bucket[1 + number].load(ordering: .acquiring)
            if key & Self.closing != 0 { bucket[1 + number].store(key & ~Self.closing, ordering: .sequentiallyConsistent) }
        }
    }

    private func forEachBucket(_ body: (Words) -> Void) {
        for number in 0..<Int(bucketCount) { body(words + (Self.bucketsBegin + number * Self.bucketWords)) }
    }

    /// Mends what processes have left that ended in the middle of a step. While nobody else uses the table.
    ///
    /// A slot that was used in the future has met another clock, and counts as used now.
    package func recover(now: UInt64) {
        let tick = LimitRule.tick(from: now)
        var used: UInt64 = 0
        forEachBucket { bucket in
            unlock(bucket)
            mend(bucket)
            for number in 0..<Self.placesOfBucket {
                let place = Place(bucket: bucket, number: number)
                guard place.key.pointee.load(ordering: .relaxed) != 0 else { continue }
                used += 1
                for number in 0..<Self.slotsOfEntry {
                    let word = place.slot(number).pointee.load(ordering: .relaxed)
                    guard word >> Self.countBits > tick else { continue }
                    place.slot(number).pointee.store(tick << Self.countBits | word & Self.countMask, ordering: .relaxed)
                }
            }
        }
        words[Self.used].store(used, ordering: .sequentiallyConsistent)
    }

    /// Frees the locks of one that had this process's number before and has ended, while others use the table.
    func takeOverLocks() {
        forEachBucket { bucket in
            guard bucket.pointee.load(ordering: .acquiring) == process.number else { return }
            mend(bucket)
            unlock(bucket)
        }
    }
}

import Foundation

/// A wall clock of a gateway's own, which a test sets: a library that is loaded before others answers `clock_gettime` with an offset from a file.
struct SteppedClock {
    private let folder: Folder
    /// For the gateway's environment.
    let environment: [String: String]

    init() throws {
        folder = try Folder()
        let source = try folder.write("clock.c", Self.source)
        let compiler = try command(["/usr/bin/env", "cc", "-shared", "-fPIC", "-O1", "-o", folder.file("clock.so"), source, "-ldl"])
        guard compiler.code == 0 else { throw HarnessError("cc: \(compiler.output)\(compiler.errors)") }
        try folder.write("offset", [UInt8](repeating: 0, count: 8))
        environment = ["LD_PRELOAD": folder.file("clock.so"), "STEPPED_CLOCK": folder.file("offset")]
    }

    /// Sets the clock so many seconds ahead of the machine's, at once for whoever reads it.
    func set(ahead seconds: Int64) throws {
        // In place, since the file is mapped.
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: folder.file("offset")))
        try file.write(contentsOf: withUnsafeBytes(of: seconds) { Data($0) })
        try file.close()
    }

    private static let source = """
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <fcntl.h>
        #include <stdlib.h>
        #include <sys/mman.h>
        #include <time.h>

        static int (*real)(clockid_t, struct timespec *);
        static _Atomic(long) *ahead;

        __attribute__((constructor)) static void begin(void) {
            real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
            int file = open(getenv("STEPPED_CLOCK"), O_RDONLY | O_CLOEXEC);
            void *mapped = mmap(0, sizeof(long), PROT_READ, MAP_SHARED, file, 0);
            if (mapped != MAP_FAILED) ahead = mapped;
        }

        int clock_gettime(clockid_t clock, struct timespec *time) {
            if (!real) begin();
            int result = real(clock, time);
            if (result == 0 && ahead && clock == CLOCK_REALTIME) time->tv_sec += *ahead;
            return result;
        }
        """
}

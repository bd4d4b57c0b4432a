import Foundation

/// How many processors this process may use.
package enum ProcessorCount {
    /// The processors of the process's affinity mask, or fewer where a control group limits its time. At least 1.
    package static var available: Int {
        let allowed = text("/proc/self/status").flatMap(processors(inStatus:))
        let quota = text("/sys/fs/cgroup/cpu.max").flatMap(limit(ofControlGroup:))
        return max(1, min(allowed ?? ProcessInfo.processInfo.activeProcessorCount, quota ?? .max))
    }

    /// The bits of `Cpus_allowed`, for example `Cpus_allowed:\tff,ffffffff`; nil if there is no such line.
    static func processors(inStatus text: String) -> Int? {
        let name = "Cpus_allowed:"
        guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix(name) }) else { return nil }
        let count = line.dropFirst(name.count).reduce(0) { $0 + ($1.hexDigitValue ?? 0).nonzeroBitCount }
        return count > 0 ? count : nil
    }

    /// `200000 100000` is two processors' time, `max 100000` no limit (nil). A part of a processor counts as one.
    static func limit(ofControlGroup text: String) -> Int? {
        let words = text.split(whereSeparator: \.isWhitespace)
        guard words.count == 2, let quota = Int(words[0]), let period = Int(words[1]), quota > 0, period > 0 else {
            return nil
        }
        return quota / period + (quota % period == 0 ? 0 : 1)
    }

    private static func text(_ path: String) -> String? {
        (try? BoundedFile.read(path, bytesMax: 1 << 16)).map { String(decoding: $0, as: UTF8.self) }
    }
}

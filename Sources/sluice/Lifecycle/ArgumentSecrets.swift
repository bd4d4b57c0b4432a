import Foundation

/// Passwords among the process's arguments, which every user of the machine can read in `/proc/PID/cmdline`.
enum ArgumentSecrets {
    /// Overwrites what stands between `://` and the last `@` of every argument. Arguments must have been copied before.
    static func hide() {
        for index in 1..<max(1, Int(CommandLine.argc)) {
            guard let argument = CommandLine.unsafeArgv[index] else { continue }
            let bytes = UnsafeMutableBufferPointer(start: argument, count: strlen(argument))
            guard let range = credentials(in: bytes.map { UInt8(bitPattern: $0) }) else { continue }
            for place in range { bytes[place] = CChar(UInt8(ascii: "*")) }
        }
    }

    /// Where the credentials of a URL stand; nil in text without any.
    static func credentials(in text: [UInt8]) -> Range<Int>? {
        let separator = [UInt8]("://".utf8)
        guard let at = text.lastIndex(of: UInt8(ascii: "@")), at > separator.count,
            let start = (0..<at - separator.count + 1).first(where: { text[$0..<$0 + separator.count].elementsEqual(separator) }),
            start + separator.count < at
        else { return nil }
        return start + separator.count..<at
    }
}

import SluiceHTTP

extension HeadWriter {
    /// Nanoseconds as milliseconds with three decimals.
    mutating func writeMilliseconds(_ nanoseconds: UInt64) {
        write(decimal: nanoseconds / 1_000_000)
        writeFraction(nanoseconds / 1000 % 1000)
    }

    /// RFC 3339 with milliseconds, in UTC.
    mutating func writeTimestamp(_ wallNanoseconds: UInt64) {
        writeSeconds(Int64(wallNanoseconds / 1_000_000_000))
        writeFraction(wallNanoseconds / 1_000_000 % 1000)
        write("Z")
    }

    /// RFC 3339 with seconds, in UTC.
    mutating func writeTime(_ wallSeconds: Int64) {
        writeSeconds(max(0, wallSeconds))
        write("Z")
    }

    private mutating func writeSeconds(_ seconds: Int64) {
        let date = CivilDate.date(days: Int(seconds / 86400))
        write(decimal: UInt64(max(0, date.year)))
        write("-")
        writeTwo(UInt64(date.month))
        write("-")
        writeTwo(UInt64(date.day))
        write("T")
        writeTwo(UInt64(seconds % 86400 / 3600))
        write(":")
        writeTwo(UInt64(seconds % 3600 / 60))
        write(":")
        writeTwo(UInt64(seconds % 60))
    }

    private mutating func writeFraction(_ thousandths: UInt64) {
        write(".")
        write(byte: 0x30 + UInt8(truncatingIfNeeded: thousandths / 100))
        writeTwo(thousandths % 100)
    }

    private mutating func writeTwo(_ number: UInt64) {
        write(byte: 0x30 + UInt8(truncatingIfNeeded: number / 10 % 10))
        write(byte: 0x30 + UInt8(truncatingIfNeeded: number % 10))
    }
}

/// The one form of date that HTTP senders write: IMF-fixdate (RFC 9110, 5.6.7), `Sun, 06 Nov 1994 08:49:37 GMT`.
package enum HTTPDate {
    package static let byteCount = 29
    /// 9999-12-31T23:59:59Z, the last second that four digits of a year can name.
    private static let secondsMax: Int64 = 253_402_300_799

    /// Writes `byteCount` bytes. Seconds before 1970 or beyond the year 9999 are written as the nearest end of that range.
    package static func write(secondsSinceEpoch seconds: Int64, into out: UnsafeMutablePointer<UInt8>) {
        let clamped = Int(min(max(seconds, 0), secondsMax))
        let days = clamped / 86_400
        let second = clamped % 86_400
        let date = CivilDate.date(days: days)
        // The first day of the epoch was a Thursday.
        copy("ThuFriSatSunMonTueWed", days % 7, to: out)
        out[3] = Ascii.comma
        out[4] = Ascii.space
        write(two: date.day, to: out + 5)
        out[7] = Ascii.space
        copy("JanFebMarAprMayJunJulAugSepOctNovDec", date.month - 1, to: out + 8)
        out[11] = Ascii.space
        write(two: date.year / 100, to: out + 12)
        write(two: date.year % 100, to: out + 14)
        out[16] = Ascii.space
        write(two: second / 3600, to: out + 17)
        out[19] = Ascii.colon
        write(two: second / 60 % 60, to: out + 20)
        out[22] = Ascii.colon
        write(two: second % 60, to: out + 23)
        let zone = ByteView(" GMT")
        (out + 25).update(from: zone.base, count: 4)
    }

    /// The three-letter name with this index.
    private static func copy(_ names: StaticString, _ index: Int, to out: UnsafeMutablePointer<UInt8>) {
        out.update(from: ByteView(names)[index * 3..<index * 3 + 3].base, count: 3)
    }

    private static func write(two number: Int, to out: UnsafeMutablePointer<UInt8>) {
        out[0] = Ascii.zero + UInt8(truncatingIfNeeded: number / 10)
        out[1] = Ascii.zero + UInt8(truncatingIfNeeded: number % 10)
    }
}

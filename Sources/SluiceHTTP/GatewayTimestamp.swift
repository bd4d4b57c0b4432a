/// The time that an HMAC-signed request carries: `yyyy-MM-dd'T'HH:mm:ss` and `Z`, `+09:00` or `+0900`.
package enum GatewayTimestamp {
    /// Seconds since the epoch, or nil if this is not exactly the format, or no date and time that exist.
    ///
    /// Years 0001 to 9999. A leap second is refused, as the clocks that write these never show one. The offset is at most 18:00
    /// either way, as in the date libraries that made this format; `-00:00` is taken as UTC.
    package static func parse(_ text: ByteView) -> Int64? {
        guard text.count >= 20, let date = local(text[..<19]), let offset = offset(text[19...]) else { return nil }
        return date - offset
    }

    private static func local(_ text: ByteView) -> Int64? {
        guard text[4] == Ascii.hyphen, text[7] == Ascii.hyphen, text[10] == 0x54, text[13] == Ascii.colon, text[16] == Ascii.colon,
            let century = two(text, 0), let yearOfCentury = two(text, 2), let month = two(text, 5), let day = two(text, 8),
            let hour = two(text, 11), let minute = two(text, 14), let second = two(text, 17)
        else { return nil }
        let year = century * 100 + yearOfCentury
        guard year >= 1, month >= 1, month <= 12, day >= 1, day <= CivilDate.lastDay(year: year, month: month), hour <= 23,
            minute <= 59, second <= 59
        else { return nil }
        return Int64(CivilDate.days(year: year, month: month, day: day) * 86_400 + hour * 3600 + minute * 60 + second)
    }

    /// Seconds east of Greenwich.
    private static func offset(_ text: ByteView) -> Int64? {
        if text == "Z" { return 0 }
        guard text.count == 5 || text.count == 6 && text[3] == Ascii.colon, text[0] == Ascii.plus || text[0] == Ascii.hyphen,
            let hours = two(text, 1), let minutes = two(text, text.count - 2), minutes <= 59
        else { return nil }
        let seconds = Int64(hours * 3600 + minutes * 60)
        guard seconds <= 18 * 3600 else { return nil }
        return text[0] == Ascii.plus ? seconds : -seconds
    }

    private static func two(_ text: ByteView, _ index: Int) -> Int? {
        guard text[index].isDigit, text[index + 1].isDigit else { return nil }
        return Int(text[index] - Ascii.zero) * 10 + Int(text[index + 1] - Ascii.zero)
    }
}

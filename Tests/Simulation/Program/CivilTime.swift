/// Days of the Gregorian calendar, by counting.
enum CivilTime {
    /// `yyyy-MM-dd'T'HH:mm:ssZ` of seconds since the epoch.
    static func timestamp(_ seconds: Int, zone: String = "Z") -> String {
        let offset = zone == "Z" ? 0 : 9 * 3600
        var days = (seconds + offset) / 86_400
        let second = (seconds + offset) % 86_400
        var year = 1970
        while days >= length(year) {
            days -= length(year)
            year += 1
        }
        var month = 1
        while days >= length(year, month) {
            days -= length(year, month)
            month += 1
        }
        return "\(year)-\(two(month))-\(two(days + 1))T\(two(second / 3600)):\(two(second / 60 % 60)):\(two(second % 60))\(zone)"
    }

    /// Nil for what is not a time of that format that exists.
    static func seconds(_ text: String) -> Int? {
        let bytes = Array(text.utf8)
        guard bytes.count >= 20, bytes[4] == 0x2D, bytes[7] == 0x2D, bytes[10] == 0x54, bytes[13] == 0x3A, bytes[16] == 0x3A else { return nil }
        func number(_ range: Range<Int>) -> Int? {
            let part = bytes[range]
            return part.allSatisfy { (0x30...0x39).contains($0) } ? part.reduce(0) { $0 * 10 + Int($1 - 0x30) } : nil
        }
        guard let year = number(0..<4), let month = number(5..<7), let day = number(8..<10), let hour = number(11..<13), let minute = number(14..<16),
            let second = number(17..<19), year >= 1970, (1...12).contains(month), (1...length(year, month)).contains(day), hour < 24, minute < 60, second < 60
        else { return nil }
        var offset = 0
        switch String(decoding: bytes[19...], as: UTF8.self) {
        case "Z": break
        case "+09:00", "+0900": offset = 9 * 3600
        default: return nil
        }
        var days = day - 1
        for earlier in 1970..<year { days += length(earlier) }
        for earlier in 1..<month { days += length(year, earlier) }
        return days * 86_400 + hour * 3600 + minute * 60 + second - offset
    }

    private static func isLeap(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }
    private static func length(_ year: Int) -> Int { isLeap(year) ? 366 : 365 }
    private static func length(_ year: Int, _ month: Int) -> Int {
        month == 2 ? (isLeap(year) ? 29 : 28) : [4, 6, 9, 11].contains(month) ? 30 : 31
    }
    private static func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
}

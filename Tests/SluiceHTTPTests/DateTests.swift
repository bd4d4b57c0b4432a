import SluiceHTTP
import Testing

@Suite struct DateTests {
    private func httpDate(_ seconds: Int64) -> String {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: HTTPDate.byteCount) { buffer in
            HTTPDate.write(secondsSinceEpoch: seconds, into: buffer.baseAddress!)
            return ByteView(base: buffer.baseAddress!, count: HTTPDate.byteCount).string
        }
    }

    private func timestamp(_ text: String) -> Int64? { withBytes(text) { GatewayTimestamp.parse($0) } }

    @Test("HTTP dates are written for every kind of day", arguments: [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
        (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
        (951_868_799, "Tue, 29 Feb 2000 23:59:59 GMT"), (951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"),
        (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT"),
        (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"), (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
        (253_402_300_800, "Fri, 31 Dec 9999 23:59:59 GMT"),
        (-1, "Thu, 01 Jan 1970 00:00:00 GMT"), (Int64.max, "Fri, 31 Dec 9999 23:59:59 GMT"),
    ])
    func httpDates(seconds: Int64, expected: String) {
        #expect(httpDate(seconds) == expected)
    }

    @Test("timestamps give the second that they name", arguments: [
        ("1970-01-01T00:00:00Z", 0), ("1970-01-01T09:00:00+09:00", 0), ("1970-01-01T09:00:00+0900", 0),
        ("1969-12-31T19:00:00-05:00", 0), ("1994-11-06T08:49:37Z", 784_111_777),
        ("2024-02-29T23:59:59Z", 1_709_251_199), ("2000-02-29T00:00:00-00:00", 951_782_400), ("1970-01-01T18:00:00+18:00", 0),
        ("1969-12-31T06:00:00-1800", 0),
        ("0001-01-01T00:00:00Z", -62_135_596_800), ("9999-12-31T23:59:59Z", 253_402_300_799),
        ("2023-04-30T00:00:00+05:30", 1_682_793_000),
    ])
    func timestamps(text: String, expected: Int64) {
        #expect(timestamp(text) == expected)
    }

    @Test("what is not exactly the format, or does not exist, is refused", arguments: [
        "", "2024-01-01", "2024-01-01T00:00:00", "2024-01-01 00:00:00Z", "2024-01-01t00:00:00Z", "2024-01-01T00:00:00z",
        "2024-01-01T00:00Z", "2024-01-01T00:00:00.0Z", "2024-01-01T00:00:00Z ",
        " 2024-01-01T00:00:00Z", "2024-1-01T00:00:00Z", "24-01-01T00:00:00Z0", "2024/01/01T00:00:00Z", "2024-01-01T00-00-00Z",
        "2024-00-01T00:00:00Z", "2024-13-01T00:00:00Z", "2024-01-00T00:00:00Z",
        "2024-01-32T00:00:00Z", "2024-04-31T00:00:00Z", "2024-06-31T00:00:00Z", "2024-09-31T00:00:00Z", "2024-11-31T00:00:00Z",
        "2024-02-30T00:00:00Z", "2023-02-29T00:00:00Z", "1900-02-29T00:00:00Z",
        "0000-01-01T00:00:00Z", "2024-01-01T24:00:00Z", "2024-01-01T00:60:00Z", "2024-01-01T23:59:60Z", "2024-01-01T00:00:00+9",
        "2024-01-01T00:00:00+09", "2024-01-01T00:00:00+9:00",
        "2024-01-01T00:00:00+09:0", "2024-01-01T00:00:00+09.00", "2024-01-01T00:00:00+09000", "2024-01-01T00:00:00 0900",
        "2024-01-01T00:00:00+18:01", "2024-01-01T00:00:00-19:00",
        "2024-01-01T00:00:00+00:60", "2024-01-01T00:00:00+0a:00", "2024-01-01T00:00:00ZZ", "+024-01-01T00:00:00Z",
        "2024-01-01T00:00:00+09:00x",
    ])
    func malformedTimestamps(text: String) {
        #expect(timestamp(text) == nil)
    }

    @Test("both readings of the calendar agree on every day of eight centuries")
    func everyDay() {
        for day in stride(from: Int64(0), to: 300_000, by: 7) {
            let date = httpDate(day * 86_400)
            let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
            let parts = date.split(separator: " ")
            let month = months.firstIndex(of: String(parts[2]))! + 1
            let text = "\(parts[3])-\(month < 10 ? "0" : "")\(month)-\(parts[1])T00:00:00Z"
            #expect(timestamp(text) == day * 86_400)
            #expect(date.hasPrefix("Thu"))
        }
    }
}

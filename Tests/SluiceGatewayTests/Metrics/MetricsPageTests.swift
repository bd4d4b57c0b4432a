import Testing

@testable import SluiceGateway

/// The Prometheus text exposition format.
@Suite("Metrics page")
struct MetricsPageTests {
    @Test("label values: backslashes, quotes and line feeds are escaped, a line feed behind a carriage return too")
    func labels() {
        var page = MetricsPage()
        page.begin("a", .counter, "What it is.")
        page.add(1, ["path": "\\d\"\n\r\ne\u{301}"])
        #expect(page.text == "# HELP a What it is.\n# TYPE a counter\na{path=\"\\\\d\\\"\\n\r\\ne\u{301}\"} 1\n")
    }
}

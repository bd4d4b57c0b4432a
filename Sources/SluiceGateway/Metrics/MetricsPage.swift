/// A page in the Prometheus text exposition format while it is written.
struct MetricsPage {
    enum Kind: String { case counter, gauge, histogram }

    private(set) var text = ""
    private var name = ""

    /// Begins a metric: its samples follow by `add`.
    mutating func begin(_ name: String, _ kind: Kind, _ help: String) {
        self.name = name
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
    }

    /// A counter without labels.
    mutating func counter(_ name: String, _ help: String, _ value: UInt64) {
        begin(name, .counter, help)
        add(value)
    }

    /// A gauge without labels.
    mutating func gauge(_ name: String, _ help: String, _ value: UInt64) {
        begin(name, .gauge, help)
        add(value)
    }

    /// One sample of the metric at hand.
    mutating func add(_ value: UInt64, _ labels: KeyValuePairs<String, String> = [:]) {
        text += "\(name)\(Self.render(labels.map { ($0.key, $0.value) })) \(value)\n"
    }

    /// One histogram of the metric at hand, with cumulative buckets in seconds. Nothing where nothing was recorded.
    mutating func add(_ histogram: DurationHistogram, _ labels: KeyValuePairs<String, String>) {
        let own = labels.map { ($0.key, $0.value) }
        var total: UInt64 = 0
        var lines = ""
        for (index, bound) in DurationHistogram.boundsMicroseconds.enumerated() {
            total += histogram.counts[index]
            lines += "\(name)_bucket\(Self.render(own + [("le", Self.seconds(microseconds: bound))])) \(total)\n"
        }
        total += histogram.counts[DurationHistogram.boundsMicroseconds.count]
        guard total > 0 else { return }
        lines += "\(name)_bucket\(Self.render(own + [("le", "+Inf")])) \(total)\n"
        lines += "\(name)_sum\(Self.render(own)) \(Double(histogram.sumNanoseconds) / 1e9)\n"
        lines += "\(name)_count\(Self.render(own)) \(total)\n"
        text += lines
    }

    private static func render(_ labels: [(String, String)]) -> String {
        labels.isEmpty ? "" : "{" + labels.map { "\($0.0)=\"\(escape($0.1))\"" }.joined(separator: ",") + "}"
    }

    private static func escape(_ value: String) -> String {
        var escaped = String.UnicodeScalarView()
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\\", "\"": escaped += ["\\", scalar]
            case "\n": escaped += ["\\", "n"]
            default: escaped.append(scalar)
            }
        }
        return String(escaped)
    }

    private static func seconds(microseconds: UInt64) -> String {
        microseconds % 1_000_000 == 0 ? "\(microseconds / 1_000_000)" : "\(Double(microseconds) / 1e6)"
    }
}

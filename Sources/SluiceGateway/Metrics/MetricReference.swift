import SluiceConfiguration
import SluiceCounting

/// `sluice reference metrics`: every metric of `/metrics`, in Markdown.
///
/// It is read off a page with one sample of each, so that no metric can be missing.
package enum MetricReference {
    package static var text: String {
        var page = ReferencePage()
        page.table(["metric", "type", "labels", "meaning"], rows(of: sample.text))
        return page.text
    }

    /// A report in which every metric has a sample, with all its labels.
    static var sample: MetricsReport {
        var totals = CounterTotals()
        totals.endpoints = [[0, 0, 1]]
        totals.refusals = [[1]]
        totals.tokenFaults = [[1]]
        totals.callers = [[0, 0, 1]]
        var duration = DurationHistogram()
        duration.record(1)
        totals.durations = [duration]
        totals.upstreamDurations = [duration]
        totals.traffic.http2Resets[0] = 1
        totals.traffic.http2Failures[0] = 1
        totals.traffic.certificateFaults[0] = 1
        return MetricsReport(
            totals: totals, labels: (domains: ["domain"], endpoints: [.init(domain: "domain", endpoint: "endpoint")]),
            ceilings: [(project: "project", ceiling: 1, used: 1)],
            quotas: [QuotaUsage(key: QuotaKey(owner: "domain", perSeconds: 1), limit: 1, used: 1, windowEnd: 1)], callers: CallerLimits.Usage(), knownCallers: [0: "caller"],
            store: KeeperState.Counts(), status: GatewayStatus(), workers: 1, droppedLines: 0, logWriteFailures: 0,
            keySets: [.init(name: "key_set", isUp: true, keyCount: 1)])
    }

    /// Name, type, labels and meaning of each metric of a page. `le`, which every histogram has, is left out.
    static func rows(of text: String) -> [[String]] {
        var rows: [[String]] = []
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 3).map(String.init)
            if line.hasPrefix("# HELP "), words.count == 4 {
                rows.append(["`\(words[2])`", "", "-", words[3]])
            } else if line.hasPrefix("# TYPE "), words.count == 4, !rows.isEmpty {
                rows[rows.count - 1][1] = words[3]
            } else if !rows.isEmpty, let start = line.firstIndex(of: "{"), let end = line.lastIndex(of: "}") {
                let labels = line[line.index(after: start)..<end].split(separator: ",").compactMap { $0.split(separator: "=").first }
                let shown = labels.filter { $0 != "le" }.map { "`\($0)`" }.joined(separator: ", ")
                if !shown.isEmpty { rows[rows.count - 1][2] = shown }
            }
        }
        return rows
    }
}

import SluiceCounting
import SluiceCrypto
import SluiceHTTP
import SluiceHTTP2

/// All counters at one moment, and their text for Prometheus.
package struct MetricsReport: Sendable {
    let totals: CounterTotals
    let labels: (domains: [String?], endpoints: [MetricRegistry.EndpointLabels?])
    let ceilings: [(project: String, ceiling: UInt64, used: UInt64)]
    let quotas: [QuotaUsage]
    let callers: CallerLimits.Usage
    /// Names of callers that have a row of their own.
    let knownCallers: [Int: String]
    let store: KeeperState.Counts
    let status: GatewayStatus
    let workers: Int
    let droppedLines: UInt64
    let logWriteFailures: UInt64
    /// Every place that key sets come from.
    var keySets: [KeySetRegistry.Report] = []

    /// The Prometheus text exposition format, version 0.0.4. Label values come from the configuration only.
    package var text: String {
        var page = MetricsPage()
        writeRequests(&page)
        writeDurations(&page)
        writeConnections(&page)
        writeCounts(&page)
        writeProcess(&page)
        return page.text
    }

    private func writeRequests(_ page: inout MetricsPage) {
        page.begin("sluice_requests_total", .counter, "Requests by domain, endpoint and class of the response's status. The class none counts requests that ended without a response.")
        for case (let counts, let labels?) in zip(totals.endpoints, labels.endpoints) {
            for (index, count) in counts.enumerated() where count > 0 {
                page.add(count, ["domain": labels.domain, "endpoint": labels.endpoint, "class": index == 0 ? "none" : "\(index)xx"])
            }
        }
        page.begin("sluice_refusals_total", .counter, "Errors that the gateway itself answered, by domain and reason.")
        for case (let counts, let domain?) in zip(totals.refusals, labels.domains) {
            for (index, count) in counts.enumerated() where count > 0 {
                let refusal = Refusal.Row.allCases[index]
                page.add(count, [
                    "domain": domain, "policy": refusal.policy.string, "refusal": "\(refusal.label)",
                ])
            }
        }
        page.begin("sluice_token_refusals_total", .counter, "Refused tokens (`jwt`), by domain and by what was wrong with them.")
        for case (let counts, let domain?) in zip(totals.tokenFaults, labels.domains) {
            for (index, count) in counts.enumerated() where count > 0 { page.add(count, ["domain": domain, "reason": "\(TokenFault.allCases[index].label)"]) }
        }
        page.begin("sluice_key_set_up", .gauge, "1 if the latest attempt to get a key set succeeded, 0 if it failed or has not ended yet.")
        for set in keySets { page.add(set.isUp ? 1 : 0, ["key_set": set.name]) }
        page.begin("sluice_key_set_keys", .gauge, "Keys of a key set that are in use. 0: no token of its issuer passes.")
        for set in keySets { page.add(UInt64(set.keyCount), ["key_set": set.name]) }
        page.begin("sluice_caller_requests_total", .counter,
            "Requests of callers with an API key (`apiKey`), by class of the response's status. The first \(CallerRows.count) callers that call have a name here; all others are `(other)` together.")
        for (row, counts) in totals.callers.enumerated() {
            guard let caller = row == CallerRows.others ? "(other)" : knownCallers[row] else { continue }
            for (index, count) in counts.enumerated() where count > 0 { page.add(count, ["caller": caller, "class": index == 0 ? "none" : "\(index)xx"]) }
        }
        page.counter("sluice_aborted_total", "Requests that ended with a broken connection.", totals.traffic.aborted)
        page.counter("sluice_total_timeouts_total", "Requests that took longer than SLUICE_TOTAL_TIMEOUT_MS.", totals.traffic.totalTimeouts)
    }

    private func writeDurations(_ page: inout MetricsPage) {
        page.begin("sluice_request_duration_seconds", .histogram, "Time from the last byte of a request's head to the last byte of its response.")
        for case (let histogram, let domain?) in zip(totals.durations, labels.domains) {
            page.add(histogram, ["domain": domain])
        }
        page.begin("sluice_upstream_duration_seconds", .histogram, "Time from the decision to forward to the end of the head of the upstream's response.")
        for case (let histogram, let domain?) in zip(totals.upstreamDurations, labels.domains) {
            page.add(histogram, ["domain": domain])
        }
    }

    private func writeConnections(_ page: inout MetricsPage) {
        page.gauge("sluice_connections", "Open client connections.", UInt64(max(0, totals.traffic.downstreamOpen)))
        page.counter("sluice_connections_accepted_total", "Client connections accepted.", totals.traffic.downstreamAccepted)
        page.counter("sluice_accept_failures_total", "Connections that could not be accepted because descriptors or memory ran out.", totals.traffic.acceptFailures)
        page.counter(
            "sluice_connections_refused_total", "Connections that were closed at once because their client had too many.",
            totals.traffic.connectionsRefused)
        page.counter("sluice_tls_handshakes_total", "TLS handshakes that succeeded.", totals.traffic.handshakes)
        page.counter("sluice_tls_handshake_failures_total", "TLS handshakes that failed.", totals.traffic.handshakeFailures)
        page.begin("sluice_client_certificate_failures_total", .counter, "TLS handshakes that failed for the client's certificate, by reason.")
        for fault in ClientCertificateFault.allCases where totals.traffic.certificateFaults[Int(fault.rawValue)] > 0 {
            page.add(totals.traffic.certificateFaults[Int(fault.rawValue)], ["reason": "\(fault.label)"])
        }
        page.counter("sluice_received_bytes_total", "Bytes received from clients.", totals.traffic.downstreamBytesReceived)
        page.counter("sluice_sent_bytes_total", "Bytes sent to clients.", totals.traffic.downstreamBytesSent)
        page.counter("sluice_http2_connections_total", "Client connections that spoke HTTP/2.", totals.traffic.http2Connections)
        page.begin("sluice_http2_resets_total", .counter, "Streams of clients that were reset before their response ended, by reason.")
        writeReasons(&page, totals.traffic.http2Resets)
        page.begin("sluice_http2_connections_ended_total", .counter, "Client connections that were ended for a fault or for abuse of HTTP/2, by reason.")
        writeReasons(&page, totals.traffic.http2Failures)
        page.gauge("sluice_upstream_connections", "Open connections to upstreams.", UInt64(max(0, totals.traffic.upstreamOpen)))
        page.gauge("sluice_upstream_idle_connections", "Connections to upstreams that are open and unused.", UInt64(max(0, totals.upstreamIdle)))
        page.counter("sluice_upstream_connections_opened_total", "Connections opened to upstreams.", totals.traffic.upstreamOpened)
        page.counter("sluice_upstream_streams_total", "Requests sent to upstreams over HTTP/2.", totals.traffic.upstreamStreams)
        page.counter(
            "sluice_upstream_streams_reset_total", "Responses over HTTP/2 that upstreams ended early, or that broke the protocol.", totals.traffic.upstreamResets)
        page.counter("sluice_upstream_received_bytes_total", "Bytes received from upstreams.", totals.traffic.upstreamBytesReceived)
        page.counter("sluice_upstream_failures_total", "Attempts at upstreams that failed.", totals.traffic.upstreamFailures)
        page.counter("sluice_upstream_retries_total", "Attempts that were repeated.", totals.traffic.upstreamRetries)
        page.counter(
            "sluice_upstream_retries_refused_total", "Attempts that were not repeated because the retry budget was used up.",
            totals.traffic.retriesRefused)
        page.counter(
            "sluice_upstream_circuit_refusals_total", "Attempts that were refused at once because the upstream's circuit was open.",
            totals.traffic.circuitRefusals)
        page.gauge("sluice_upstream_circuits_open", "Open circuits, summed over workers.", UInt64(max(0, totals.circuitsOpen)))
        page.gauge("sluice_upstream_ejected", "Ejected upstream addresses, summed over workers.", UInt64(max(0, totals.upstreamEjected)))
        page.gauge("sluice_exchange_blocks", "Memory blocks that requests in progress hold.", UInt64(max(0, totals.exchangeBlocks)))
        page.gauge("sluice_output_blocks", "Memory blocks with bytes that slow peers have not taken yet.", UInt64(max(0, totals.outputBlocks)))
        page.gauge(
            "sluice_held_body_bytes", "Bytes of requests whose bodies `validate` holds, those that are no larger than a memory block left out.",
            UInt64(max(0, totals.heldBodies.bytes)))
        page.gauge("sluice_held_body_bytes_max", "Bytes of such requests that SLUICE_MAX_HELD_BYTES has room for, summed over workers.", UInt64(max(0, totals.heldBodies.room)))
        page.counter("sluice_held_bodies_refused_total", "Requests that got 503 because there was no room for their body.", totals.heldBodies.refused)
    }

    /// A sample for each reason that there has been.
    private func writeReasons(_ page: inout MetricsPage, _ counts: InlineArray<64, UInt64>) {
        for reason in HTTP2Reason.allCases where counts[Int(reason.rawValue)] > 0 {
            page.add(counts[Int(reason.rawValue)], ["reason": reason.name])
        }
    }

    private func writeCounts(_ page: inout MetricsPage) {
        page.begin("sluice_ceiling_requests", .gauge, "Ceiling of a project: requests per second.")
        for entry in ceilings { page.add(entry.ceiling, ["project": entry.project]) }
        page.begin("sluice_ceiling_used_requests", .gauge, "Requests of a project in the last second.")
        for entry in ceilings { page.add(entry.used, ["project": entry.project]) }
        page.begin("sluice_quota_used_requests", .gauge, "Requests counted in the current window of a usage quota.")
        for entry in quotas { page.add(entry.used, ["owner": entry.key.owner, "per_seconds": "\(entry.key.perSeconds)"]) }
        page.gauge(
            "sluice_rate_limit_keys", "Callers that have a place in the memory of `rateLimit`, those among them whose time is over.", callers.used)
        page.gauge("sluice_rate_limit_keys_max", "Callers that SLUICE_RATE_LIMIT_KEYS has room for.", callers.room)
        page.counter(
            "sluice_rate_limit_full_total", "Requests that SLUICE_RATE_LIMIT_FULL decided because there was no room for their caller.", callers.full)
        page.counter("sluice_count_store_exchanges_total", "Round trips to the count store.", store.exchanges)
        page.counter("sluice_count_store_failures_total", "Round trips to the count store that failed.", store.failures)
        page.gauge("sluice_count_store_away", "1 while the count store does not answer.", store.isAway ? 1 : 0)
        page.gauge("sluice_count_store_nodes", "Nodes that share the count store, as it last said; 1 for a node by itself.", store.nodes)
        page.counter("sluice_allowance_waits_total", "Times that a request waited until allowance was reserved.", store.waits)
        page.counter(
            "sluice_allowance_late_total", "Requests that SLUICE_QUOTA_AWAY decided because nothing could be reserved in time.", store.late)
    }

    private func writeProcess(_ page: inout MetricsPage) {
        let reloads = status.reloads
        page.begin("sluice_reloads_total", .counter, "Reloads of the configuration, by outcome.")
        page.add(UInt64(reloads.succeeded), ["outcome": "taken"])
        page.add(UInt64(reloads.failed), ["outcome": "refused"])
        page.gauge("sluice_configuration_generation", "Number of the configuration that is served; it grows with each reload.", UInt64(status.generation))
        page.gauge("sluice_snapshots_held", "Configurations in memory: the most that one worker holds.", UInt64(totals.snapshotsHeld))
        page.gauge("sluice_workers", "Worker threads.", UInt64(workers))
        page.gauge("sluice_ready", "1 while /readyz answers 200.", status.isReady ? 1 : 0)
        page.counter("sluice_access_log_dropped_lines_total", "Log lines dropped because the log could not be written.", droppedLines)
        page.counter("sluice_access_log_write_failures_total", "Failed writes of the access log.", logWriteFailures)
    }
}

internal import SluiceClient
internal import SluiceCrypto
internal import SluiceEvent
package import SluiceConfiguration
package import SluiceCounting

/// Counts that several nodes share, in Redis 6 or later (`SyncScript` has the books and the rules). One thread, which waits for up to two
/// seconds: one for connecting, one for the reply.
///
/// Each object is one incarnation of a node: a name of 128 random bits that nobody has had before, so that what a node's predecessor held is given up
/// by time alone.
///
/// What the bounds rest on, and what they cost where Redis fails:
/// - A restart, with or without data, and a failover are noticed by the server's `run_id` or by a sequence number that it does not know. Nothing
///   new is granted for 4.5 s; every node says again what it holds. Quotas: what living nodes were granted is told again; grants of
///   nodes that died, or are cut off, in a window whose record was lost may be granted again in that window.
/// - A failover behind a proxy that hides it (the same connection, writes lost): until the next batch of the node whose grants were lost, at
///   most a tenth of a second later, others may be granted the same. `closed` bounds it: such a node's shares end 2.5 s after its last reply.
/// - Two masters at once (a network split in two): each side shares out the whole ceiling. `min-replicas-to-write 1` in Redis refuses writes
///   on the side without a replica; its nodes are then without their store.
package final class RedisStore: AllowanceStore {
    /// Longest time for connecting with all that belongs to it, and for a reply.
    static let timeout: UInt64 = 1_000_000_000
    /// Most answers that a list of usage is put together from, of about a hundred windows each.
    private static let usagePagesMax = 100_000
    private static let backoffMin: UInt64 = 100_000_000
    private static let backoffMax: UInt64 = 2_000_000_000
    /// One hash tag: one slot of a cluster.
    static let prefix = "{sluice}"

    /// 32 hexadecimal digits.
    package let node: String
    private let url: RedisURL
    private let name: NameLookUp
    private let peer: TLSPeer?
    private var connection: RedisConnection?
    /// Of the server that is connected; empty if it does not tell.
    private(set) var run = ""
    private var scripts: [String: String] = [:]
    var lastSequence: UInt64 = 0
    private var retryAt: UInt64 = 0
    private var backoff = backoffMin
    private var lastFailure = "not connected"
    private var remark: String?
    private var hasRemarked = false

    /// Connects with the first call.
    /// - Parameter authorityFile: PEM file of the authorities that the server's certificate is checked by, in place of the system's.
    package init(_ url: RedisURL, authorityFile: String? = nil) throws(AllowanceStoreError) {
        self.url = url
        name = NameLookUp(url.host, port: url.port)
        do throws(CryptoError) {
            peer = url.isTLS ? try TLSPeer(TLSClientContext(authorityFile: authorityFile), name: url.host) : nil
            node = try Self.makeName()
        } catch {
            throw AllowanceStoreError("Redis: \(error.message)")
        }
    }

    private static func makeName() throws(CryptoError) -> String {
        var bytes: (UInt64, UInt64) = (0, 0)
        let failure: CryptoError? = withUnsafeMutableBytes(of: &bytes) { memory in
            do throws(CryptoError) {
                try Random.fill(memory)
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw failure }
        return [bytes.0, bytes.1].map { word in
            let digits = String(word, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }

    // MARK: AllowanceStore

    package func exchange(_ batch: AllowanceBatch) throws(AllowanceStoreError) -> AllowanceReplies {
        let connection = try connected()
        lastSequence = max(lastSequence, batch.sequence)
        let reply = try run(SyncScript.text, on: connection, arguments: SyncArguments.words(of: batch, node: node, run: run))
        guard let replies = SyncArguments.replies(in: reply, to: batch) else { throw give(up: "its answer is not one that the script gives") }
        return replies
    }

    package func usage(wallSeconds: UInt64) throws(AllowanceStoreError) -> [(key: QuotaKey, window: UInt64, reserved: UInt64)] {
        let connection = try connected()
        var found: [(key: QuotaKey, window: UInt64, reserved: UInt64)] = []
        var cursor = "0"
        for _ in 0..<Self.usagePagesMax {
            let reply = try run(UsageScript.text, on: connection, arguments: [cursor, String(wallSeconds)])
            guard let parts = reply.elements, parts.count == 2, let next = parts[0].text, let rows = parts[1].elements else {
                throw give(up: "its answer is not one that the script gives")
            }
            for row in stride(from: 0, to: rows.count - rows.count % 4, by: 4) {
                guard let seconds = rows[row].amount, let window = rows[row + 1].amount, let owner = rows[row + 2].text,
                    let reserved = rows[row + 3].amount
                else { continue }
                found.append((QuotaKey(owner: owner, perSeconds: seconds), window, reserved))
            }
            if next == "0" { return found }
            cursor = next
        }
        throw give(up: "its list of windows does not end")
    }

    package func reset(_ key: QuotaKey?) throws(AllowanceStoreError) {
        let connection = try connected()
        _ = try run(SyncScript.reset, on: connection, arguments: [key.map { "\($0.perSeconds):\($0.owner)" } ?? "*"])
    }

    package func close() {
        guard let connection else { return }
        let leave = AllowanceBatch(sequence: lastSequence + 1)
        _ = try? run(SyncScript.text, on: connection, arguments: SyncArguments.words(of: leave, node: node, run: run, isLeaving: true))
        self.connection = nil
    }

    package func takeRemark() -> String? {
        defer { remark = nil }
        return remark
    }

    // MARK: Scripts

    private func run(_ script: String, on connection: RedisConnection, arguments: [String]) throws(AllowanceStoreError) -> RedisReply {
        let deadline = Clock.monotonicNanoseconds() + Self.timeout
        let digest = scripts[script]
        var reply = RedisReply.error("NOSCRIPT")
        do throws(AllowanceStoreError) {
            if let digest { reply = try connection.call(command("EVALSHA", digest, arguments), deadline: deadline) }
            if case .error(let text) = reply, text.hasPrefix("NOSCRIPT") {
                reply = try connection.call(command("EVAL", script, arguments), deadline: deadline)
            }
        } catch {
            throw give(up: error.description)
        }
        guard case .error(let text) = reply else { return reply }
        // The connection is as good as it was, but for a server that is not, or not any more, the right one.
        if text.hasPrefix("STALE") { throw AllowanceStoreError("Redis \(place): \(Self.kind(text))") }
        throw give(up: Self.kind(text))
    }

    private func command(_ verb: String, _ script: String, _ arguments: [String]) -> RedisCommand {
        var command = RedisCommand(verb, script, "1", Self.prefix)
        for argument in arguments { command.append(argument) }
        return command
    }

    /// The first words of an error: enough to know it by, and nothing of what was sent.
    private static func kind(_ text: String) -> String {
        let line = text.prefix { $0 != "\n" && $0 != "\r" }
        return "it says " + String(line.prefix(120).map { $0.isASCII && $0 >= " " ? $0 : "?" })
    }

    // MARK: Connection

    private var place: String { url.host.contains(":") ? "[\(url.host)]:\(url.port)" : "\(url.host):\(url.port)" }

    private func connected() throws(AllowanceStoreError) -> RedisConnection {
        if let connection { return connection }
        let now = Clock.monotonicNanoseconds()
        guard now >= retryAt else { throw AllowanceStoreError(lastFailure) }
        do throws(AllowanceStoreError) {
            let made = try RedisConnection(name, tls: peer, deadline: now + Self.timeout)
            try introduce(made, deadline: now + Self.timeout)
            connection = made
            backoff = Self.backoffMin
            return made
        } catch {
            throw give(up: error.description)
        }
    }

    private func introduce(_ connection: RedisConnection, deadline: UInt64) throws(AllowanceStoreError) {
        if let password = url.password {
            var command = RedisCommand("AUTH")
            if !url.user.isEmpty { command.append(url.user) }
            command.append(password.bytes)
            // What Redis says of it could name the user: the fact must do.
            if case .error = try connection.call(command, deadline: deadline) { throw AllowanceStoreError("it refuses the user or the password") }
        }
        if url.database != 0, case .error(let text) = try connection.call(RedisCommand("SELECT", String(url.database)), deadline: deadline) {
            throw AllowanceStoreError(Self.kind(text))
        }
        let about = try connection.call(RedisCommand("INFO", "server"), deadline: deadline)
        if case .error(let text) = about, !text.hasPrefix("NOPERM") { throw AllowanceStoreError(Self.kind(text)) }
        run = about.text.flatMap { Self.line("run_id", of: $0) } ?? ""
        try checkEviction(connection, deadline: deadline)
        for script in [SyncScript.text, UsageScript.text, SyncScript.reset] {
            scripts[script] = try connection.call(RedisCommand("SCRIPT", "LOAD", script), deadline: deadline).text
        }
    }

    /// A Redis that throws keys away when its memory is full throws counts away: whatever it evicts, keys with an end or any, the books have
    /// such keys. One without a bound of memory evicts nothing, whatever its policy. Asked at every connection.
    private func checkEviction(_ connection: RedisConnection, deadline: UInt64) throws(AllowanceStoreError) {
        let about = try connection.call(RedisCommand("INFO", "memory"), deadline: deadline).text ?? ""
        guard let policy = Self.line("maxmemory_policy", of: about), let bound = Self.line("maxmemory", of: about) else {
            if !hasRemarked { remark = "its maxmemory-policy cannot be read; if it is not noeviction, counts may be lost" }
            hasRemarked = true
            return
        }
        guard bound == "0" || policy == "noeviction" else {
            let name = String(policy.prefix(40).map { $0.isLetter && $0.isASCII || $0 == "-" ? $0 : "?" })
            throw AllowanceStoreError("it evicts keys when its memory is full (maxmemory-policy \(name)), and counts would be lost: set noeviction")
        }
    }

    /// What a line `name:` of INFO says.
    static func line(_ name: String, of about: String) -> String? {
        for line in about.split(whereSeparator: \.isNewline) where line.hasPrefix("\(name):") { return String(line.dropFirst(name.count + 1)) }
        return nil
    }

    /// Ends the connection; a new one is tried after a pause that grows.
    private func give(up reason: String) -> AllowanceStoreError {
        connection = nil
        retryAt = Clock.monotonicNanoseconds() + backoff
        backoff = min(backoff * 2, Self.backoffMax)
        lastFailure = "Redis \(place): \(reason)"
        return AllowanceStoreError(lastFailure)
    }
}

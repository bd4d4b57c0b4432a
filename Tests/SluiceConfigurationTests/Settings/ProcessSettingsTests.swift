import Testing

@testable import SluiceConfiguration

@Suite("Process settings")
struct ProcessSettingsTests {
    private func problems(_ environment: [String: String], flags: [String: String] = [:]) -> [String] {
        do throws(ProcessSettings.Problems) {
            _ = try ProcessSettings(environment: environment, flags: flags)
            return []
        } catch {
            return error.all.map(\.description)
        }
    }

    @Test("nothing given: the defaults; other programs' variables are not looked at")
    func defaults() throws {
        let settings = try ProcessSettings(environment: ["PATH": "/bin", "SLUICEX": "1"])
        #expect(settings == ProcessSettings())
        #expect(settings.listen.description == "0.0.0.0:8080")
        #expect(settings.adminListen?.description == "127.0.0.1:9901")
        #expect((1...1024).contains(settings.workers))
        #expect(settings.projectCeiling == 10_000 && settings.maxBodyBytes == 10_485_760)
        #expect(settings.redisURL == nil && settings.redisAway == .local)
    }

    @Test("every kind of value is read from its variable")
    func variables() throws {
        let settings = try ProcessSettings(environment: [
            "SLUICE_LISTEN": "[::1]:80", "SLUICE_ADMIN_LISTEN": "off", "SLUICE_WORKERS": "3",
            "SLUICE_STATE_DIR": "/var/lib/sluice", "SLUICE_REDIS_URL": "redis://redis", "SLUICE_REDIS_AWAY": "closed",
            "SLUICE_LOG_LEVEL": "trace", "SLUICE_ACCESS_LOG": "-", "SLUICE_UPSTREAM_TIMEOUT_MS": "1",
        ])
        var expected = ProcessSettings()
        expected.listen = try #require(ListenAddress("[::1]:80"))
        expected.adminListen = nil
        expected.workers = 3
        expected.stateDirectory = "/var/lib/sluice"
        expected.redisURL = RedisURL("redis://redis")
        expected.redisAway = .closed
        expected.logLevel = .trace
        expected.accessLog = .standardOutput
        expected.upstreamTimeoutMs = 1
        #expect(settings == expected)
        #expect(try ProcessSettings(environment: ["SLUICE_ACCESS_LOG": "a.log"]).accessLog == .file("a.log"))
    }

    @Test("a flag wins over its variable, whose value is then not looked at")
    func flags() throws {
        let environment = ["SLUICE_WORKERS": "none", "SLUICE_RETRY_MAX": "2"]
        let settings = try ProcessSettings(environment: environment, flags: ["--workers": "5", "idle-timeout-ms": "7"])
        #expect(settings.workers == 5 && settings.retryMax == 2 && settings.idleTimeoutMs == 7)
    }

    @Test("every default may be written itself")
    func defaultsAreAllowed() throws {
        for setting in Setting.all {
            let text = setting.text(in: ProcessSettings())
            guard text != "none" else { continue }
            #expect(try ProcessSettings(environment: [setting.name: text]) == ProcessSettings(), "\(setting.name)")
        }
    }

    @Test("every integer: both ends of its range are allowed, their neighbours are not")
    func integerRanges() throws {
        var count = 0
        for setting in Setting.all {
            guard case .integer(let path, let range) = setting.kind else { continue }
            count += 1
            for value in [range.lowerBound, range.upperBound] {
                let settings = try ProcessSettings(environment: [setting.name: "\(value)"])
                #expect(settings[keyPath: path] == value)
                var expected = ProcessSettings()
                expected[keyPath: path] = value
                #expect(settings == expected)
            }
            for value in [range.lowerBound - 1, range.upperBound + 1] {
                #expect(problems([setting.name: "\(value)"])
                    == ["\(setting.name): found \"\(value)\", allowed \(setting.allowed)"])
            }
        }
        #expect(count == 56)
    }

    @Test("integers are decimal digits and nothing else", arguments: ["", " 3", "3 ", "+3", "0x3", "3.0", "1e1", "٣", "99999999999999999999", "-1", "10k", "5s", "1_000"])
    func integerForms(text: String) {
        let found = text.isEmpty ? "empty text" : "\"\(text)\""
        #expect(problems(["SLUICE_WORKERS": text]) == ["SLUICE_WORKERS: found \(found), allowed an integer from 1 to 1024 (threads)"])
    }

    @Test("switches are on or off and nothing else; a path that may be missing is off")
    func switches() throws {
        #expect(try ProcessSettings(environment: ["SLUICE_CORE_DUMPS": "on"]).coreDumps)
        #expect(try !ProcessSettings(environment: ["SLUICE_CORE_DUMPS": "off"]).coreDumps)
        for text in ["true", "1", "ON"] {
            #expect(problems(["SLUICE_CORE_DUMPS": text]) == ["SLUICE_CORE_DUMPS: found \"\(text)\", allowed on or off"])
        }
        #expect(try ProcessSettings(environment: ["SLUICE_TAKEOVER_SOCKET": "/run/s.sock"]).takeoverSocket == "/run/s.sock")
        #expect(try ProcessSettings(environment: ["SLUICE_TAKEOVER_SOCKET": "off"]).takeoverSocket == nil)
        for text in ["on", "stdout"] {
            #expect(problems(["SLUICE_ACCESS_LOG": text])
                == ["SLUICE_ACCESS_LOG: found \"\(text)\", allowed off, - for standard output, or the path of a file"])
        }
        #expect(problems(["SLUICE_TAKEOVER_SOCKET": "on"]) == ["SLUICE_TAKEOVER_SOCKET: found \"on\", allowed a path, or off"])
        #expect(problems(["SLUICE_TAKEOVER_SOCKET": ""]) == ["SLUICE_TAKEOVER_SOCKET: found empty text, allowed a path, or off"])
    }

    @Test("all problems in one run: bad values by table order, then unknown variables and flags")
    func allProblems() {
        let environment = [
            "SLUICE_WORKRES": "2", "SLUICE_LOG_LEVEL": "loud", "SLUICE_LISTEN": "8080", "SLUICE_REDIS_AWAY": "open",
            "SLUICE_ADMIN_LISTEN": "none", "SLUICE_": "", "SLUICE_ACCESS_LOG": "",
        ]
        #expect(problems(environment, flags: ["retry-max": "11", "--drain-timeout": "1"]) == [
            "SLUICE_LISTEN: found \"8080\", allowed ADDRESS:PORT, [IPv6 ADDRESS]:PORT or :PORT",
            "SLUICE_ADMIN_LISTEN: found \"none\", allowed ADDRESS:PORT, [IPv6 ADDRESS]:PORT or :PORT, or off",
            "SLUICE_REDIS_AWAY: found \"open\", allowed local or closed",
            "--retry-max: found \"11\", allowed an integer from 0 to 10 (attempts)",
            "SLUICE_LOG_LEVEL: found \"loud\", allowed trace, debug, info, notice, warning, error or critical",
            "SLUICE_ACCESS_LOG: found empty text, allowed off, - for standard output, or the path of a file",
            "SLUICE_: found an unknown name, allowed the names that `sluice env` prints",
            "SLUICE_WORKRES: found an unknown name (did you mean SLUICE_WORKERS?),"
                + " allowed the names that `sluice env` prints",
            "--drain-timeout: found an unknown name, allowed the names that `sluice env` prints",
        ])
    }

    @Test("what Kubernetes sets for a service of the gateway's name is passed over")
    func serviceLinks() {
        #expect(problems([
            "SLUICE_SERVICE_HOST": "10.0.0.1", "SLUICE_SERVICE_PORT": "8080", "SLUICE_SERVICE_PORT_HTTP": "8080", "SLUICE_PORT": "tcp://10.0.0.1:8080",
            "SLUICE_PORT_8080_TCP": "tcp://10.0.0.1:8080", "SLUICE_PORT_8080_TCP_ADDR": "10.0.0.1", "SLUICE_PORT_8080_TCP_PORT": "8080",
            "SLUICE_PORT_8080_TCP_PROTO": "tcp", "SLUICE_ADMIN_SERVICE_HOST": "10.0.0.2", "SLUICE_ADMIN_PORT": "udp://10.0.0.2:9901",
        ]) == [])
    }

    @Test("names that only look like those of a service are unknown all the same", arguments: [
        ("SLUICE_PORT", "8080"), ("SLUICE_PORT_8080", "x"), ("SLUICE_PORT_HTTP_TCP", "x"), ("SLUICE_SERVICE", "x"), ("SLUICE_SERVICE_HOST_NAME", "x"), ("SLUICE_HOST", "x"),
    ])
    func noServiceLinks(name: String, value: String) {
        #expect(problems([name: value]).count == 1)
    }

    @Test("a bad Redis URL is reported without its text")
    func redisProblem() {
        let found = problems(["SLUICE_REDIS_URL": "redis//:hunter2@host"])
        #expect(found == ["SLUICE_REDIS_URL: found text that is not such a URL, allowed \(RedisURL.allowed)"])
    }

    @Test("the table: a row for each setting, with defaults, values and no password")
    func table() throws {
        let settings = try ProcessSettings(environment: ["SLUICE_REDIS_URL": "rediss://u:hunter2@h:1/2"], flags: ["workers": "9"])
        let rows = settings.table
        #expect(rows.map(\.name) == Setting.all.map(\.name))
        #expect(Set(rows.map(\.name)).count == rows.count)
        #expect(rows.allSatisfy { $0.name.hasPrefix("SLUICE_") && !$0.meaning.isEmpty && !$0.allowed.isEmpty })
        let redis = try #require(rows.first { $0.name == "SLUICE_REDIS_URL" })
        #expect(redis.value == "rediss://u:***@h:1/2" && redis.defaultValue == "none" && redis.flag == "--redis-url")
        let workers = try #require(rows.first { $0.name == "SLUICE_WORKERS" })
        #expect(workers.value == "9" && workers.flag == "--workers" && workers.unit == "threads")
        #expect(!rows.contains { "\($0)".contains("hunter2") })
    }

    @Test("every property has a row: the table's values, given as variables, restore the settings")
    func tableIsComplete() throws {
        var settings = ProcessSettings()
        var environment: [String: String] = [:]
        for setting in Setting.all {
            if case .integer(let path, let range) = setting.kind { settings[keyPath: path] = range.lowerBound }
            let text = setting.text(in: settings)
            if text != "none" { environment[setting.name] = text }
        }
        #expect(try ProcessSettings(environment: environment) == settings)
        #expect(Mirror(reflecting: settings).children.count == Setting.all.count)
    }

    @Test("processors: affinity mask and control group")
    func processors() {
        #expect(ProcessorCount.processors(inStatus: "Name:\tx\nCpus_allowed:\t3\nCpus_allowed_list:\t0-1\n") == 2)
        #expect(ProcessorCount.processors(inStatus: "Cpus_allowed:\tff,0000000f\n") == 12)
        #expect(ProcessorCount.processors(inStatus: "Name:\tx\n") == nil)
        #expect(ProcessorCount.limit(ofControlGroup: "200000 100000\n") == 2)
        #expect(ProcessorCount.limit(ofControlGroup: "200001 100000\n") == 3)
        #expect(ProcessorCount.limit(ofControlGroup: "50000 100000\n") == 1)
        #expect(ProcessorCount.limit(ofControlGroup: "max 100000\n") == nil)
        #expect(ProcessorCount.available >= 1)
    }
}

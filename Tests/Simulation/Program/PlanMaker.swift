import SluiceSimulation

/// Makes configurations up.
struct PlanMaker {
    static let paths = ["/**", "/a/{id}", "/a/b", "/m/*", "/r/{v}/{p}", "/x/{n:[0-9]+}", "/admin/**", "/q/**", "/h*"]
    static let secrets = ["hmac-secret-1", "hmac-secret-2"]
    static let keySets = ["one", "two"]
    static let clients = ["192.0.2.1", "192.0.2.2", "192.0.2.77", "198.51.100.9", "10.9.0.1", "2001:db8::1", "2001:db8:1::2"]
    static let origins = ["https://app.example.com", "https://other.example.com"]

    /// The first of a run.
    static func make(_ focus: Simulation.Focus, _ random: inout SeededGenerator) -> Plan {
        var plan = Plan()
        for name in ["p", "q"] { plan.projects[name] = random.pick([(2, random.between(1, 4)), (3, random.between(5, 40)), (4, 100_000)]) }
        if random.chance(40) { plan.trusted = ["10.9.0.0/16"] + random.some(["2001:db8::/64"], percent: 30) }
        for number in 0..<random.between(1, 3) { plan.domains.append(domain(number, &random)) }
        sharpen(&plan, focus, &random)
        return plan
    }

    private static func sharpen(_ plan: inout Plan, _ focus: Simulation.Focus, _ random: inout SeededGenerator) {
        switch focus {
        case .none: break
        case .keys:
            plan.domains[0].acl = nil
            plan.domains[0].notice = nil
            plan.domains[0].authentication = .jwt(Plan.JWTPlan(keys: .set(random.pick(keySets)), issuer: nil, audience: nil, skew: 30))
        case .ceilings:
            plan.projects["p"] = random.between(4, 16)
            // Nothing but a ceiling is in the way of what is to reach a service in one turn.
            for index in plan.domains.indices {
                plan.domains[index].project = "p"
                plan.domains[index].acl = nil
                plan.domains[index].notice = nil
                plan.domains[index].quotas = []
                plan.domains[index].callers = nil
                plan.domains[index].authentication = .none
                for place in plan.domains[index].endpoints.indices where random.chance(70) {
                    plan.domains[index].endpoints[place].preCall = nil
                    plan.domains[index].endpoints[place].mock = nil
                }
            }
        case .callers:
            // Nothing but the limit is in the way, and few addresses send everything.
            plan.projects["p"] = 100_000
            plan.domains = [open(plan.domains[0])]
            plan.domains[0].callers = Plan.Quota(limit: random.between(1, 5), seconds: random.pick([1, 1, 2]))
            for place in plan.domains[0].endpoints.indices {
                plan.domains[0].endpoints[place].mock = nil
                if random.chance(50) { plan.domains[0].endpoints[place].preCall = nil }
            }
        case .reloads:
            // What waits, and has something of the worker's to look at when it goes on.
            for index in plan.domains.indices {
                plan.domains[index].notice = nil
                if random.chance(60) { plan.domains[index].quotas = [Plan.Quota(limit: random.pick([20, 1000]), seconds: 1)] }
                switch random.below(3) {
                case 0: plan.domains[index].authentication = .jwt(Plan.JWTPlan(keys: .set(random.pick(keySets)), issuer: nil, audience: nil, skew: 30))
                case 1: plan.domains[index].authentication = .hmac(Plan.HMACPlan(secret: random.pick(secrets), skew: 60, required: [], refusesReplays: random.chance(50)))
                default: break
                }
            }
        case .memory:
            plan.domains[0].acl = nil
            plan.domains[0].notice = nil
            plan.domains[0].authentication = .none
            var endpoint = endpoint("/**", 0, &random)
            endpoint.methods = []
            endpoint.preCall = Plan.PreCall(
                method: random.pick(["GET", "POST"]), service: World.firstPreCallService, path: "/ask", cacheSeconds: random.pick([1, 2, 60]),
                cacheKey: random.chance(60) ? ["X-Api-Key"] : nil, timeoutMs: 500)
            plan.domains[0].endpoints = [endpoint]
        case .quotas:
            plan.domains = [open(plan.domains[0])]
            plan.projects["p"] = 100_000
            plan.domains[0].quotas = [Plan.Quota(limit: 2, seconds: 1)]
            plan.domains[0].endpoints = [Plan.Endpoint(path: "/**", quotas: [Plan.Quota(limit: random.between(6, 10), seconds: 3600)])]
        case .streams:
            plan.projects["p"] = 100_000
            plan.domains[0] = open(plan.domains[0])
            if random.chance(70) { plan.domains = [plan.domains[0]] }
            for index in plan.domains[0].endpoints.indices where random.chance(60) {
                plan.domains[0].endpoints[index].preCall = nil
                plan.domains[0].endpoints[index].methods = []
            }
        case .repetition:
            plan.domains = [open(plan.domains[0])]
            plan.projects["p"] = 100_000
            plan.domains[0].endpoints = [Plan.Endpoint(path: "/**", methods: ["POST", "GET"])]
        }
    }

    /// A domain with one service, where nothing is in the way of a request.
    private static func open(_ domain: Plan.Domain) -> Plan.Domain {
        var domain = domain
        domain.project = "p"
        domain.upstreams = [domain.upstreams[0]]
        domain.acl = nil
        domain.notice = nil
        domain.quotas = []
        domain.callers = nil
        domain.authentication = .none
        return domain
    }

    /// What a reload brings: often the same again, else something that differs in a few places.
    static func change(_ plan: Plan, _ random: inout SeededGenerator) -> Plan {
        guard random.chance(60) else { return plan }
        var plan = plan
        switch random.below(10) {
        case 0...2: plan.domains.insert(domain((4...).first { number in !plan.domains.contains { $0.key == "d\(number)" } } ?? 99, &random), at: 0)
        case 3 where plan.domains.count > 1: plan.domains.remove(at: random.below(plan.domains.count))
        case 4: plan.domains.shuffle(with: &random)
        case 5: for name in plan.projects.keys.sorted() { plan.projects[name] = random.pick([(2, random.between(1, 6)), (2, random.between(5, 40)), (2, 100_000)]) }
        default:
            let index = random.below(plan.domains.count)
            var new = domain(index, &random)
            new.key = plan.domains[index].key
            new.hosts = plan.domains[index].hosts
            if random.chance(50) { new.endpoints = plan.domains[index].endpoints }
            if random.chance(50) { new.authentication = plan.domains[index].authentication }
            plan.domains[index] = new
        }
        return plan
    }

    private static func domain(_ number: Int, _ random: inout SeededGenerator) -> Plan.Domain {
        var domain = Plan.Domain(key: "d\(number)", project: random.chance(80) ? "p" : "q")
        if random.chance(30) { domain.hosts = ["h\(number).example"] }
        let services = random.chance(70) ? [random.below(World.firstPreCallService)] : random.some(Array(0..<World.firstPreCallService), percent: 60)
        domain.upstreams = (services.isEmpty ? [0] : services).map { Plan.Upstream(service: $0, base: random.pick(["", "/base", ""])) }
        domain.timeoutMs = random.pick([200, 400, 800])
        domain.keepsEncodedSlashes = random.chance(15)
        if random.chance(25) {
            domain.acl = Plan.ACL(
                permits: random.chance(50),
                addresses: random.some(["192.0.2.0/24", "192.0.2.77", "198.51.100.0/25", "2001:db8::/48", "10.0.0.0/8", "203.0.113.5"], percent: 50))
            if domain.acl?.permits == true, random.chance(80) { domain.acl?.addresses.append("192.0.2.0/28") }
        }
        if random.chance(45) {
            let isAny = random.chance(25)
            domain.cors = Plan.CORS(
                origins: isAny ? ["*"] : random.chance(70) ? [origins[0]] : origins, methods: random.chance(50) ? ["GET", "POST"] : ["GET", "PUT", "DELETE"],
                headers: random.some(["X-Tenant", "Authorization"], percent: 60), expose: random.some(["X-Served", "RateLimit"], percent: 40),
                credentials: !isAny && random.chance(50), maxAge: random.chance(50) ? 600 : nil)
        }
        if random.chance(6) {
            domain.notice = Plan.Answer(status: random.pick([503, 200, 418]), fields: [Field("X-Notice", "n\(number)"), Field("Retry-After", "120")], body: "back soon \(number)")
        }
        if random.chance(30) { domain.quotas = quotas(&random) }
        if random.chance(20) { domain.callers = Plan.Quota(limit: random.pick([1, 3, 14, 15, 40, 1000]), seconds: random.pick([1, 2, 3600])) }
        switch random.below(100) {
        case 0..<30:
            let replays = random.chance(50)
            domain.authentication = .hmac(Plan.HMACPlan(
                secret: random.pick(secrets), skew: random.pick([5, 60, 300]), required: random.chance(50) ? ["x-tenant"] : [], refusesReplays: replays))
        case 30..<50:
            domain.authentication = .jwt(Plan.JWTPlan(
                keys: random.chance(40) ? .secret("jwt-secret-0123456789-0123456789") : .set(random.pick(keySets)),
                issuer: random.chance(40) ? "idp" : nil, audience: random.chance(40) ? "api" : nil, skew: random.pick([0, 2, 30]),
                expiryOptional: random.chance(20), claim: random.chance(30) ? ("role", ["reader", "writer"]) : nil,
                forward: random.chance(60) ? ("sub", "X-User") : nil))
        default: break
        }
        var endpoints: [Plan.Endpoint] = []
        for path in paths where random.chance(path == "/**" ? 75 : 40) { endpoints.append(endpoint(path, number, &random)) }
        if endpoints.isEmpty { endpoints = [endpoint("/**", number, &random)] }
        domain.endpoints = endpoints
        return domain
    }

    static func quotas(_ random: inout SeededGenerator) -> [Plan.Quota] {
        var quotas = [Plan.Quota(limit: random.pick([0, 2, 5, 20, 1000]), seconds: random.pick([1, 2, 10]))]
        if random.chance(30) { quotas.append(Plan.Quota(limit: random.pick([3, 10, 50]), seconds: random.pick([5, 60, 3600]))) }
        return quotas
    }

    private static func endpoint(_ path: String, _ number: Int, _ random: inout SeededGenerator) -> Plan.Endpoint {
        var endpoint = Plan.Endpoint(path: path)
        endpoint.methods = random.pick([(5, []), (2, ["GET"]), (2, ["GET", "POST"]), (1, ["POST", "PUT", "OPTIONS"])])
        if random.chance(15) { endpoint.quotas = quotas(&random) }
        if random.chance(25) {
            endpoint.preCall = Plan.PreCall(
                method: random.pick([(3, "GET"), (2, "POST"), (1, "PUT")]), service: random.between(World.firstPreCallService, World.serviceCount - 1),
                path: random.pick(["/ask", "/authorise"]), cacheSeconds: random.pick([0, 1, 3, 60]),
                cacheKey: random.chance(40) ? random.pick([["X-Api-Key"], ["Authorization"], ["X-Api-Key", "X-Tenant"]]) : nil,
                timeoutMs: random.pick([150, 500]))
        }
        switch path {
        case "/a/{id}" where random.chance(50):
            endpoint.rewrite = random.pick([
                Plan.Rewrite(pattern: "/a/(.*)", to: "/b/%1"), Plan.Rewrite(pattern: "/a/(.*)", to: "/lookup?id=%1&fixed=1"),
                Plan.Rewrite(pattern: "/a/{id}", to: "/lookup?id={id}"), Plan.Rewrite(pattern: "/a/{id}", to: "/users/{id}/a"),
            ])
        case "/r/{v}/{p}" where random.chance(70): endpoint.rewrite = Plan.Rewrite(pattern: "/r/{v}/{p}", to: "/q/{p}/{v}")
        case "/q/**" where random.chance(50): endpoint.rewrite = Plan.Rewrite(pattern: "/q/(.*)", to: random.pick(["/z%0", "/%1", "/fixed%%20x"]))
        default: break
        }
        if random.chance(40) {
            endpoint.changes = Plan.Changes(
                requestSet: random.some([Field("X-Gateway", "g\(number)"), Field("X-User", "set"), Field("Authorization", "Basic upstream")], percent: 30),
                requestRemove: random.some(["X-Debug", "Authorization", "X-Tenant", "Cookie"], percent: 35),
                responseSet: random.some([Field("X-Served", "s\(number)"), Field("Server", "sluice"), Field("Cache-Control", "no-store")], percent: 35),
                responseRemove: random.some(["Server", "X-Internal", "Set-Cookie"], percent: 45))
            let set = endpoint.changes
            endpoint.changes.requestRemove.removeAll { name in set.requestSet.contains { $0.name == name } }
            endpoint.changes.responseRemove.removeAll { name in set.responseSet.contains { $0.name == name } }
        }
        if random.chance(15) {
            let status = random.pick([(6, 200), (1, 404), (1, 204)])
            endpoint.mock = Plan.Answer(
                status: status, fields: [Field("Content-Type", "text/plain"), Field("X-Mock", "m\(number)"), Field("Server", "mock")],
                body: status == 204 ? "" : "mock \(path) \(number) \(random.below(1000))")
        }
        return endpoint
    }
}

extension Array {
    fileprivate mutating func shuffle(with random: inout SeededGenerator) {
        for index in indices.reversed() { swapAt(index, random.below(index + 1)) }
    }
}

import SluiceSimulation

/// Makes requests up, mostly such as the configuration in force is made for.
struct RequestMaker {
    /// Signed requests that were sent, to be sent again.
    private var signed: [SentRequest] = []
    /// What is known of the tokens that were made, by their text.
    private(set) var tokens: [String: Token] = [:]
    private var next = 1
    /// Bytes of bodies.
    var lengths = [0, 1, 20, 400, 3000]
    var chunkedLengths = [0, 5, 300, 2500]

    /// - Parameters:
    ///   - wall: seconds of the wall clock.
    ///   - address: the client's.
    mutating func make(_ plan: Plan, wall: Int, _ random: inout SeededGenerator) -> SentRequest {
        let id = next
        next += 1
        if !signed.isEmpty, random.chance(12) {
            let earlier = random.pick(signed)
            var again = SentRequest(id: id, method: earlier.method, target: earlier.target, fields: earlier.fields)
            if let index = again.fields.firstIndex(where: { $0.key == "x-request-id" }) { again.fields[index].value = "sim-\(id)" }
            again.write()
            return again
        }
        let domain = plan.domains.isEmpty ? nil : random.pick(plan.domains)
        var request = SentRequest(id: id, method: random.pick([(12, "GET"), (5, "POST"), (2, "PUT"), (2, "HEAD"), (1, "DELETE"), (1, "OPTIONS")]), target: "/", fields: [])
        // What is made for few methods is mostly asked by them.
        if let lone = domain?.endpoints.first, domain?.endpoints.count == 1, !lone.methods.isEmpty, random.chance(85) { request.method = random.pick(lone.methods) }
        let isByHost = domain.map { !$0.hosts.isEmpty && random.chance(50) } ?? false
        let host = isByHost ? domain?.hosts[0] ?? "" : World.authority
        request.fields.append(Field(random.chance(90) ? "Host" : "hOST", host))
        let path = self.path(domain, &random)
        request.target = (isByHost ? "" : "/\(domain?.key ?? "none")") + path
        if request.target.isEmpty { request.target = "/" }
        if random.chance(60) { request.target += "?n=\(id)" + (random.chance(20) ? "&a=b%20c&x=%2e" : "") }
        request.fields.append(Field("X-Request-Id", "sim-\(id)"))
        addFields(&request, &random)
        if let cors = domain?.cors, random.chance(70) {
            request.fields.append(Field("Origin", random.chance(75) ? random.pick(cors.origins == ["*"] ? PlanMaker.origins : cors.origins) : "https://evil.example"))
            if random.chance(20) {
                request.method = "OPTIONS"
                request.fields.append(Field("Access-Control-Request-Method", random.pick(cors.methods + ["PATCH"])))
                if random.chance(40) { request.fields.append(Field("Access-Control-Request-Headers", random.pick(["x-tenant", "authorization", "x-tenant, x-evil"]))) }
            }
        }
        addBody(&request, &random)
        switch domain?.authentication {
        case .hmac(let plan): sign(&request, plan, wall, &random)
        case .jwt(let plan): addToken(&request, plan, wall, &random)
        default: if random.chance(15) { request.fields.append(Field("Authorization", "Basic Zm9vOmJhcg==")) }
        }
        request.write(chunks: random.chance(50) ? [] : [random.between(1, 5), random.between(1, 40)])
        if case .hmac = domain?.authentication { signed.append(request) }
        if request.framing == .chunked, random.chance(6) { request.breakChunk(&random) }
        return request
    }

    private func path(_ domain: Plan.Domain?, _ random: inout SeededGenerator) -> String {
        let plain = ["/", "/a/b", "/a/7", "/a/x%20y", "/a/1%26admin%3Dtrue", "/a/%41", "/m/z", "/m/", "/r/1/2", "/r/v/p%2Bq", "/x/42", "/x/abc", "/admin/keys", "/q/1/2/3", "/q/", "/hello", "/other/thing", "/a", ""]
        let odd = [
            "/a/./b", "/a/../m/z", "/a/%62", "/../x", "/a//b", "//admin/keys", "/admin;a=b/keys", "/x/42;v=1", "/q/..%2Fadmin%2Fx", "/q/a%2Fb", "/q/%5Cx", "/q/%zz", "/q/%00", "/q/a\\b",
            "/q/..;/admin/x", "/a/b;jsessionid=1", "/%61dmin/keys", "/q/%2e%2e/admin/keys", "/q/x%2F..%2F..%2Fadmin/keys",
        ]
        return random.chance(82) ? random.pick(plain) : random.pick(odd)
    }

    private func addFields(_ request: inout SentRequest, _ random: inout SeededGenerator) {
        let extra: [Field] = [
            Field("Accept", "*/*"), Field("X-Debug", "1"), Field("X-User", "mallory"), Field("X_User", "admin"), Field("X.User", "dot"), Field("Cookie", "a=1; b=2"),
            Field("X-Tenant", random.pick(["t1", "t2"])), Field("X-Api-Key", random.pick(["good", "bad"])), Field("X_Api_Key", "good"), Field("X_Debug", "2"),
            Field("X-Forwarded-Proto", "gopher"), Field("X-Forwarded-Port", "1"), Field("X-Forwarded-Host", "forged.example"),
            Field("X-Forwarded-For", random.pick(["192.0.2.9", "203.0.113.5, 192.0.2.1", "198.51.100.7"])),
            Field("Forwarded", "for=192.0.2.60"), Field("X-Real-IP", "192.0.2.61"), Field("X_Forwarded_For", "10.9.0.7"), Field("TE", "trailers"), Field("Keep-Alive", "timeout=5"),
            Field("Via", "1.0 before"), Field("If-None-Match", "\"x\""),
            Field("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), Field("Transfer_Encoding", "chunked"), Field("X-Internal", "yes"),
        ]
        request.fields += random.some(extra, percent: random.pick([0, 4, 25]))
        if random.chance(15) { request.fields.append(Field("Connection", random.pick(["keep-alive", "x-tenant", "X-Debug", "x-api-key, keep-alive", "x-user", "authorization"]))) }
        if random.chance(6) { request.fields.append(Field("Connection", "close")) }
    }

    private func addBody(_ request: inout SentRequest, _ random: inout SeededGenerator) {
        guard ["POST", "PUT"].contains(request.method) || request.method == "DELETE" && random.chance(20) else { return }
        switch random.below(10) {
        case 0: break
        case 1..<6:
            request.framing = .length(0)
            request.body = body(random.pick(lengths), request.id)
        default:
            request.framing = .chunked
            request.body = body(random.pick(chunkedLengths), request.id)
            if random.chance(30) { request.trailers = random.some([Field("X-Sum", "s\(request.id)"), Field("X_Odd", "1"), Field("X-Tenant", "trailer")], percent: 60) }
        }
        if random.chance(10), !request.body.isEmpty { request.fields.append(Field("Expect", "100-continue")) }
    }

    private func body(_ count: Int, _ id: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: 97 + ($0 + id) % 26) } }

    // MARK: Credentials

    private func sign(_ request: inout SentRequest, _ plan: Plan.HMACPlan, _ wall: Int, _ random: inout SeededGenerator) {
        let isNamed = !plan.required.isEmpty ? random.chance(85) : random.chance(35)
        var time = CivilTime.timestamp(wall + random.pick([(6, 0), (2, random.between(-plan.skew + 3, plan.skew - 3)), (1, plan.skew + 20), (1, -plan.skew - 20)]), zone: random.pick([(4, "Z"), (1, "+09:00"), (1, "+0900")]))
        let fault = random.pick([(70, 0), (4, 1), (4, 2), (4, 3), (4, 4), (4, 5), (4, 6)])
        if fault == 1 { time = "" }
        if fault == 2 { time = "2024-13-01T00:00:00Z" }
        let timeField = isNamed ? "x-nhn-date" : "X-TC-Timestamp"
        if fault != 3 { request.fields.append(Field(timeField, time)) }
        var text = "\(request.method)\n\(request.target)\n\(time)"
        var listed = isNamed ? plan.required + random.some(["host", "x-api-key"], percent: 30) : []
        if isNamed, fault == 4 { listed.removeAll { $0 == "x-tenant" } }
        if listed.contains("x-tenant"), request.values("x-tenant").isEmpty, random.chance(80) { request.fields.append(Field("X-Tenant", "t1")) }
        for name in listed where !request.values(name).isEmpty { text += "\n\(name):\(request.values(name).joined(separator: ","))" }
        var code = SHA256.hmac(plan.secret, text)
        if fault == 5 { code[3] ^= 1 }
        let signature = SHA256.base64(code)
        if fault == 6 { return }
        request.fields.append(Field("Authorization", isNamed ? "hmac algorithm=\"HmacSHA256\", headers=\"\(listed.joined(separator: ","))\", signature=\"\(signature)\"" : signature))
    }

    private mutating func addToken(_ request: inout SentRequest, _ plan: Plan.JWTPlan, _ wall: Int, _ random: inout SeededGenerator) {
        if random.chance(6) {
            if random.chance(50) { request.fields.append(Field("Authorization", random.pick(["", "Bearer"]))) }
            return
        }
        var token = Token()
        switch plan.keys {
        case .secret(let secret): token.secret = random.chance(93) ? secret : "another-secret-another-secret-12"
        case .set:
            token.algorithm = .rs256
            token.key = random.pick(KeyRing.ids)
            token.kid = random.pick([(8, token.key), (2, nil), (1, "unknown")])
        }
        if random.chance(3) { token.algorithm = .none }
        // Few different ones, so that some are sent again.
        let base = wall / 20 * 20
        token.expires = random.pick([(8, base + 60), (1, base + 300), (1, base - 40), (1, nil)])
        token.notBefore = random.pick([(6, nil), (2, base - 60), (1, base + 90)])
        token.issuer = plan.issuer == nil ? nil : random.pick([(9, plan.issuer), (1, "somebody"), (1, nil)])
        token.audience = plan.audience == nil ? nil : random.pick([(9, plan.audience), (1, "others")])
        token.subject = random.pick(["alice", "bob", nil])
        token.role = random.pick(["reader", "writer", "guest", nil])
        token.isForged = random.chance(6)
        let text = token.text()
        tokens[text] = token
        request.fields.append(Field("Authorization", random.chance(85) ? "Bearer \(text)" : text))
    }
}

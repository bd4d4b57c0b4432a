import SluiceClient
import SluiceConfiguration
import SluiceHTTP
import Testing

@testable import SluiceGateway

/// What the large identity providers publish and issue, in their shapes, with keys and values of the tests' own.
struct ProviderShape: Sendable, CustomTestStringConvertible {
    let name: String
    let issuer: String
    /// What stands under `jwt` besides the issuer.
    let policy: String
    /// The discovery document; `@` is the issuer's text.
    let document: String
    let keysAt: String
    /// Members of the set, of which the tests' key is one: `N` and `E` are its numbers.
    let keys: String
    let header: String
    /// Without `iss` and the times.
    let claims: String
    let forwarded: [String]
    /// Texts of the claims that are replaced, and for what the token is then refused.
    let refused: [(from: String, to: String, TokenFault)]

    var testDescription: String { name }

    static let all = [
        ProviderShape(
            name: "Keycloak", issuer: "https://sso.test/realms/shop",
            policy: "audience: orders, claims: [{name: realm_access.roles, oneOf: [editor]}, {name: resource_access.orders-api.roles, oneOf: [write]}, "
                + "{name: scope, oneOf: [email]}, {name: typ, equals: Bearer}], forward: {preferred_username: X-User, realm_access.roles: X-Roles, sid: X-Session}",
            document: #"{"issuer":"@","authorization_endpoint":"@/protocol/openid-connect/auth","jwks_uri":"@/protocol/openid-connect/certs","acr_values_supported":["0","1"],"mtls_endpoint_aliases":{"token_endpoint":"@/t"}}"#,
            keysAt: "https://sso.test/realms/shop/protocol/openid-connect/certs",
            keys: #"{"kid":"enc-1","kty":"RSA","alg":"RSA-OAEP","use":"enc","x5c":["MIIC"],"x5t":"a","x5t#S256":"b","n":"N","e":"E"},"#
                + #"{"kid":"sig-1","kty":"RSA","alg":"RS256","use":"sig","x5c":["MIIC"],"x5t":"a","x5t#S256":"b","n":"N","e":"E"}"#,
            header: #"{"alg":"RS256","typ" : "JWT","kid" : "sig-1"}"#,
            claims: #""auth_time":1799999990,"jti":"onrtac:5b0","aud":["orders","account"],"sub":"f3c1","typ":"Bearer","azp":"shop-web","sid":"s-1","acr":"1","allowed-origins":["https://shop.test"],"#
                + #""realm_access":{"roles":["default-roles-shop","offline_access","editor"]},"resource_access":{"orders-api":{"roles":["read","write"]},"account":{"roles":["view-profile"]}},"#
                + #""scope":"openid profile email","email_verified":true,"name":"J\u00e4n Doe","preferred_username":"jan","email":"jan@shop.test""#,
            forwarded: ["jan", #"["default-roles-shop","offline_access","editor"]"#, "s-1"],
            refused: [
                (#""editor""#, #""viewer""#, .claim), (#""orders-api""#, #""other-api""#, .claim), (#"["orders","account"]"#, #""account""#, .audience), (#""typ":"Bearer""#, #""typ":"ID""#, .claim),
            ]),
        ProviderShape(
            name: "Auth0", issuer: "https://shop.eu.auth0.test/",
            policy: "audience: 'https://api.shop.test', claims: [{name: 'https://shop.test/roles', oneOf: [editor]}, {name: permissions, oneOf: ['read:orders']}, "
                + "{name: scope, oneOf: [openid]}], forward: {sub: X-User, 'https://shop.test/roles': X-Roles}",
            document: #"{"issuer":"@","jwks_uri":"@.well-known/jwks.json","id_token_signing_alg_values_supported":["HS256","RS256","PS256"]}"#,
            keysAt: "https://shop.eu.auth0.test/.well-known/jwks.json",
            keys: #"{"kty":"RSA","use":"sig","n":"N","e":"E","kid":"aB3-_x","x5t":"t","x5c":["MIID"],"alg":"RS256"},{"kty":"RSA","use":"sig","n":"N","e":"E","kid":"next","alg":"RS256"}"#,
            header: #"{"alg":"RS256","typ":"at+jwt","kid":"aB3-_x"}"#,
            claims: #""https://shop.test/roles":["editor"],"sub":"auth0|65f","aud":["https://api.shop.test","https://shop.eu.auth0.test/userinfo"],"scope":"openid profile","azp":"cLiEnT","permissions":["read:orders","write:orders"],"jti":"Zz""#,
            forwarded: ["auth0|65f", #"["editor"]"#],
            refused: [
                (#"["editor"]"#, #"[]"#, .claim), ("https://shop.test/roles", "https://other.test/roles", .claim), ("read:orders", "read:order", .claim),
                ("https://api.shop.test", "https://api.other.test", .audience),
            ]),
        ProviderShape(
            name: "Entra ID", issuer: "https://login.microsoft.test/9f3d0a52-0000-4000-8000-0000000000aa/v2.0",
            policy: "audience: [6e74172b-0000-4000-8000-000000000000], claims: [{name: scp, oneOf: [Orders.Read]}, {name: roles, oneOf: [Orders.Editor]}, "
                + "{name: tid, equals: 9f3d0a52-0000-4000-8000-0000000000aa}], forward: {oid: X-User, roles: X-Roles}",
            document: #"{"token_endpoint":"https://login.microsoft.test/t/oauth2/v2.0/token","jwks_uri":"https://login.microsoft.test/9f3d0a52-0000-4000-8000-0000000000aa/discovery/v2.0/keys","issuer":"@","cloud_instance_name":"x","tenant_region_scope":"EU"}"#,
            keysAt: "https://login.microsoft.test/9f3d0a52-0000-4000-8000-0000000000aa/discovery/v2.0/keys",
            // Keys without `alg`.
            keys: #"{"kty":"RSA","use":"sig","kid":"k-1","x5t":"k-1","n":"N","e":"E","x5c":["MIIC"],"cloud_instance_name":"x","issuer":"https://login.microsoft.test/{tenantid}/v2.0"}"#,
            header: #"{"typ":"JWT","alg":"RS256","x5t":"k-1","kid":"k-1"}"#,
            claims: #""aud":"6e74172b-0000-4000-8000-000000000000","aio":"AZQ","azp":"c","azpacr":"1","name":"Jan","oid":"o-1","preferred_username":"jan@shop.test","rh":"0.A","roles":["Orders.Editor"],"scp":"Orders.Read Orders.Write","#
                + #""sub":"p-1","tid":"9f3d0a52-0000-4000-8000-0000000000aa","uti":"u","ver":"2.0","xms_ftd":"f""#,
            forwarded: ["o-1", #"["Orders.Editor"]"#],
            refused: [("Orders.Read ", "Orders.ReadAll ", .claim), (#""tid":"9f"#, #""tid":"8f"#, .claim), (#""aud":"6e"#, #""aud":"5e"#, .audience)]),
        ProviderShape(
            name: "Cognito", issuer: "https://cognito-idp.eu-central-1.amazonaws.test/eu-central-1_AbC",
            // Access tokens have no `aud`: the client is in `client_id`.
            policy: "claims: [{name: token_use, equals: access}, {name: client_id, oneOf: [4k2, 5m3]}, {name: scope, oneOf: [orders/read]}, "
                + "{name: 'cognito:groups', oneOf: [editors]}], forward: {username: X-User, 'cognito:groups': X-Groups}",
            document: #"{"issuer":"@","jwks_uri":"@/.well-known/jwks.json","response_types_supported":["code","token"],"subject_types_supported":["public"]}"#,
            keysAt: "https://cognito-idp.eu-central-1.amazonaws.test/eu-central-1_AbC/.well-known/jwks.json",
            keys: #"{"alg":"RS256","e":"E","kid":"id+/token=","kty":"RSA","n":"N","use":"sig"},{"alg":"RS256","e":"E","kid":"acc+/ess=","kty":"RSA","n":"N","use":"sig"}"#,
            header: #"{"kid":"acc+\/ess=","alg":"RS256"}"#,
            claims: #""sub":"aaaa","cognito:groups":["editors"],"version":2,"client_id":"4k2","origin_jti":"o","event_id":"e","token_use":"access","scope":"aws.cognito.signin.user.admin orders\/read","auth_time":1799999990,"jti":"j","username":"jan""#,
            forwarded: ["jan", #"["editors"]"#],
            refused: [(#""access""#, #""id""#, .claim), (#""4k2""#, #""6n4""#, .claim), ("editors", "viewers", .claim), (#"orders\/read"#, #"orders\/write"#, .claim)]),
        ProviderShape(
            name: "Okta", issuer: "https://shop.okta.test/oauth2/default",
            policy: "audience: 'api://default', claims: [{name: scp, oneOf: [orders.read]}, {name: groups, oneOf: [Everyone]}, {name: cid, present: true}], "
                + "forward: {sub: X-User, scp: X-Scopes, uid: X-Id}",
            document: #"{"issuer":"@","jwks_uri":"@/v1/keys","scopes_supported":["openid"],"introspection_endpoint":"@/v1/introspect"}"#,
            keysAt: "https://shop.okta.test/oauth2/default/v1/keys",
            keys: #"{"kty":"RSA","alg":"RS256","kid":"old","use":"sig","e":"AQAB","n":"x"},{"kty":"RSA","alg":"RS256","kid":"U5R8cHbGw","use":"sig","e":"E","n":"N"}"#,
            header: #"{"kid":"U5R8cHbGw","alg":"RS256"}"#,
            claims: #""ver":1,"jti":"AT.0mP","aud":"api://default","cid":"0oa","uid":"00u","scp":["openid","orders.read"],"auth_time":1799999990,"sub":"jan@shop.test","groups":["Everyone","Editors"]"#,
            forwarded: ["jan@shop.test", #"["openid","orders.read"]"#, "00u"],
            refused: [("orders.read", "orders", .claim), ("Everyone", "Nobody", .claim), ("api://default", "api://other", .audience), (#""cid":"0oa","#, "", .claim)]),
    ]
}

@Suite("JWT: tokens of identity providers")
struct JWTProviderTests {
    @Test("the provider's issuer is enough to find its keys; its token passes, and with another claim or issuer it is refused for that", arguments: ProviderShape.all)
    func provider(shape: ProviderShape) throws {
        let bench = try AuthenticationBench()
        bench.monotonicNanoseconds = 1_000_000_000_000
        let maker = try TokenMaker()
        // One policy for this provider alone, one for all of them.
        let others = ProviderShape.all.filter { $0.name != shape.name }.map { "{issuer: '\($0.issuer)'}" }
        let policies = try ["{issuer: '\(shape.issuer)', \(shape.policy)}", "{issuers: [\((others + ["{issuer: '\(shape.issuer)', \(shape.policy)}"]).joined(separator: ", "))]}"].map { yaml in
            let configuration = try #require(JWT.read(try bench.node(yaml), problems: bench.problems), "\(bench.problems.all)")
            return try #require(JWT.compile(configuration, into: bench.snapshot))
        }
        bench.takeOver()
        let now = bench.monotonicNanoseconds
        bench.snapshot.keySets.fetchDue(interval: 300_000_000_000, now: { now }) { location in
            guard case .issuer(let issuer) = location.kind, issuer.name == shape.issuer else { return .failure(.init(description: "another's")) }
            return Result { () throws(KeySet.Fault) -> [UInt8] in
                let document = try DiscoveryDocument(Array(shape.document.replacing("@", with: shape.issuer).utf8), of: issuer)
                guard document.keySet.description == shape.keysAt else { throw KeySet.Fault(description: "\(document.keySet)") }
                let keys = shape.keys.replacing("\"N\"", with: "\"\(maker.modulus)\"").replacing("\"E\"", with: "\"\(maker.exponent)\"")
                return Array("{\"keys\":[\(keys)]}".utf8)
            }
        }
        func token(_ claims: String, issuer: String? = nil) throws -> String {
            let whole = #"{"iss":"\#((issuer ?? shape.issuer).replacing("/", with: "\\/"))","iat":\#(AuthenticationBench.now - 10),"exp":\#(AuthenticationBench.now + 290),\#(claims)}"#
            return try maker.token(header: shape.header, claims: whole)
        }
        for policy in policies {
            func fault(_ token: String) throws -> TokenFault? {
                var exchange = try bench.exchange("GET /", ["Authorization: Bearer \(token)"])
                exchange.hasAwaitedKeys = true
                switch policy.evaluate(&exchange) {
                case .proceed:
                    #expect((0..<exchange.forwardedClaimCount).map { exchange.forwardedClaims[$0].string } == shape.forwarded)
                    return nil
                case .refuse(let refusal): return refusal.tokenFault
                default: throw AuthenticationBench.BenchFault()
                }
            }
            let found = try fault(token(shape.claims))
            #expect(found == nil, "\(String(describing: found))")
            for change in shape.refused {
                #expect(shape.claims.contains(change.from))
                #expect(try fault(token(shape.claims.replacing(change.from, with: change.to))) == change.2, "\(change.from)")
            }
            #expect(try fault(token(shape.claims, issuer: shape.issuer + "x")) == .issuer)
        }
    }
}

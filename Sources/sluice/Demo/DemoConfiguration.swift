/// The configuration of `sluice demo`: one domain for each policy of a domain, and one whose endpoints have the others.
enum DemoConfiguration {
    /// Where the text below says that the sample upstream is.
    static let upstreamAddress = "127.0.0.1:9000"

    /// The text with the sample upstream at another port of loopback, and with its listeners.
    static func text(upstreamPort: UInt16, listeners: String) -> String {
        text.replacing(upstreamAddress, with: "127.0.0.1:\(upstreamPort)").replacing(Self.listeners, with: listeners)
    }

    /// As a comment: without the files nobody could listen so.
    static let listeners = """
        # listeners:
        #   - address: 127.0.0.1:8080
        #   - address: 127.0.0.1:8443
        #     tls: {certificate: /etc/sluice/server.pem, key: {file: /etc/sluice/server.key}}
        #     clientCertificates: {ca: /etc/sluice/ca.pem, mode: optional}
        """

    static let text = """
        # What `sluice demo` serves, as a configuration to start from. The demo listens where SLUICE_LISTEN says, and runs a
        # sample upstream in the place of 127.0.0.1:9000. The secrets below are everybody's: replace them.

        # The demo has a second listener, with TLS, which asks clients for certificates. It makes the files when it starts.
        \(listeners)

        projects:
          shop: {ceiling: 10000}        # requests in any second
          burst: {ceiling: 2}

        # What callers with API keys may use, and two of them. Of keys there are digests alone: printf %s "$KEY" | sha256sum
        plans:
          small: {requestsPerSecond: 2, quota: 1000, per: day}
        callers:
          alice: {key: "sha256:cfb0741e220e4c28d0a45de6e58fd5a2fcc04bc22ae09345a19fa2afa4e20b42", plans: [small]}
          bob: {key: "sha256:c3be89bf112596e2cae6af7b53da3668057ee3d6359c6facc06b040ce19d9a08", plans: [small], expires: 2026-01-01}

        domains:
          # http://gateway/demo/...: what an endpoint can have.
          - key: demo
            project: shop
            upstream: http://127.0.0.1:9000/base
            policies:
              cors: {origins: ["https://app.example.com"], methods: [GET, POST], headers: [Authorization], credentials: true, maxAge: 600}
            endpoints:
              - path: /echo/**
              - path: /hello
                methods: [GET]
                policies:
                  mock: {status: 200, headers: {Content-Type: text/plain}, body: "hello world\\n"}
              - path: /v1.0/members/{memberId}
                methods: [GET]
                policies:
                  rewrite: {pattern: "/v1.0/members/(.*)", to: "/members/%1"}
              - path: /templates/{version}/{name}
                methods: [GET]
                policies:
                  rewrite: {pattern: "/templates/{version}/{name}", to: "/templates/{name}/{version}"}
              - path: /headers
                methods: [GET]
                policies:
                  headers:
                    request: {set: {X-Gateway: sluice}, remove: [X-Debug]}
                    response: {set: {X-Served-By: sluice}, remove: [X-Sample]}
              - path: /guarded
                methods: [GET]
                policies:
                  preCall: {method: GET, url: "http://127.0.0.1:9000/authorise", timeoutMs: 1000}
              - path: /report
                methods: [GET]
                policies:
                  validate:
                    query:
                      from: {type: string, pattern: "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", required: true}
                      page: {type: integer, minimum: 1}
              - path: /orders
                methods: [POST]
                policies:
                  validate:
                    body:
                      schema:
                        type: object
                        required: [items]
                        properties:
                          items:
                            type: array
                            minItems: 1
                            items: {type: object, required: [sku], properties: {sku: {type: string}, count: {type: integer, minimum: 1}}}
              - path: /login
                methods: [GET]
                policies:
                  rateLimit: [{limit: 2, perSeconds: 10}]
                  mock: {status: 200, body: "your turn\\n"}
              - path: /metered
                methods: [GET]
                policies:
                  usageQuota: [{limit: 2, perSeconds: 86400}]
                  mock: {status: 200, body: "counted\\n"}

          # http://gateway/burst/...: a project with a low ceiling.
          - key: burst
            project: burst
            endpoints: [{path: /hello, methods: [GET], policies: {mock: {status: 200, body: "admitted\\n"}}}]

          # http://gateway/walled/...: not for this machine.
          - key: walled
            project: shop
            upstream: http://127.0.0.1:9000
            policies:
              ipAcl: {permit: false, addresses: [127.0.0.0/8, "::1"]}
            # Errors in words of one's own; the client's Accept chooses.
            responses:
              forbidden:
                headers: {X-Error: "${error.resultCode}"}
                bodies:
                  application/json: '{"code": ${error.resultCode}, "message": "${error.resultMessage}", "address": "${request.clientIp}"}'
                  text/html: "<h1>Not from ${request.clientIp}</h1>\\n"
            endpoints: [{path: "/**"}]

          # https://gateway/partners/...: clients with a certificate for this name. The upstream is told of it.
          - key: partners
            project: shop
            upstream: http://127.0.0.1:9000
            policies:
              clientCertificate: {subjects: ["CN=alice,O=Example"]}
            endpoints: [{path: "/**"}]

          # http://gateway/closed/...: under maintenance.
          - key: closed
            project: shop
            upstream: http://127.0.0.1:9000
            policies:
              maintenance: {enabled: true, status: 503, headers: {Content-Type: text/plain, Retry-After: "120"}, body: "back soon\\n"}
            endpoints: [{path: "/**"}]

          # http://gateway/signed/...: requests signed with a shared secret. Signatures are good for a day here.
          - key: signed
            project: shop
            upstream: http://127.0.0.1:9000
            policies:
              hmac: {secret: demo-secret, clockSkew: 86400}
            endpoints: [{path: "/**"}]

          # http://gateway/token/...: a token under a shared secret.
          - key: token
            project: shop
            upstream: http://127.0.0.1:9000
            policies:
              jwt: {algorithm: HS256, secret: demo-secret-of-at-least-32-bytes, issuer: demo, audience: [sluice], forward: {sub: X-User}}
            endpoints: [{path: "/**"}]

          # http://gateway/keys/...: a token under a private key, whose public half is fetched.
          - key: keys
            project: shop
            upstream: http://127.0.0.1:9000
            policies:
              jwt: {algorithm: RS256, jwks: "http://127.0.0.1:9000/jwks.json", claims: [{name: scope, oneOf: [read]}]}
            endpoints: [{path: "/**"}]

          # http://gateway/either/...: a signature, or a token of one of two issuers. The second is asked for its key set.
          - key: either
            project: shop
            upstream: http://127.0.0.1:9000
            policies:
              anyOf:
                - hmac: {secret: demo-secret, clockSkew: 86400}
                - jwt:
                    issuers:
                      - {issuer: demo, secret: demo-secret-of-at-least-32-bytes, forward: {sub: X-User}}
                      - {issuer: "http://127.0.0.1:9000", claims: [{name: realm_access.roles, oneOf: [reader]}], forward: {realm_access.roles: X-Roles}}
            endpoints: [{path: "/**"}]

          # http://gateway/members/...: callers with an API key, each held to its plan. The upstream is told who calls.
          - key: members
            project: shop
            upstream: http://127.0.0.1:9000
            policies:
              apiKey: {forwardCaller: X-Caller}
            endpoints: [{path: "/**"}]

          # http://gateway/slow/...: an upstream that takes longer than it may.
          - key: slow
            project: shop
            upstream: http://127.0.0.1:9000
            upstreamTimeoutMs: 1000
            endpoints: [{path: "/**"}]

        """
}

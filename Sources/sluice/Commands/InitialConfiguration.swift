/// What `sluice init` writes.
enum InitialConfiguration {
    static let text = """
        # A configuration of Sluice.
        #
        #   sluice check sluice.yaml      reports mistakes
        #   sluice run sluice.yaml        serves it; SIGHUP reads it again
        #   sluice explain sluice.yaml GET /api/anything
        #   sluice reference yaml         every key, with type, range and default

        listeners:
          - address: 127.0.0.1:8080
            # tls: {certificate: tls.crt, key: {file: tls.key}}

        projects:
          main: {ceiling: 1000}             # requests in any one second, over all domains of the project

        domains:
          # http://127.0.0.1:8080/api/members/7 reaches the upstream as /members/7.
          - key: api
            # hosts: [api.example.com]      # requests for this host need no /api in front
            project: main
            upstream: http://127.0.0.1:9000
            policies:
              usageQuota: [{limit: 10000, perSeconds: 3600}]
              # Who may call: signed requests, or requests with a token. One of the two.
              # hmac: {secret: {env: API_SECRET}}
              # jwt: {jwks: "https://idp.example.com/jwks.json", issuer: "https://idp.example.com/", audience: [api]}
              # Which web pages may call:
              # cors: {origins: ["https://app.example.com"], methods: [GET, POST], headers: [Authorization]}
            endpoints:
              - path: /**                   # paths that no endpoint names get 404
                # methods: [GET, POST]
                # policies:
                #   headers: {response: {remove: [Server]}}

          # http://127.0.0.1:8080/status/hello is answered by the gateway itself.
          - key: status
            project: main
            endpoints:
              - path: /hello
                methods: [GET]
                policies:
                  mock: {status: 200, headers: {Content-Type: text/plain}, body: "hello from the gateway\\n"}

        """
}

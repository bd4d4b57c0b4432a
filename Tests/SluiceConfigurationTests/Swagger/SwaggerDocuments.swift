/// A document with every plugin, and with much that the gateway does not read.
let swaggerWithEveryPlugin = """
    {
      "swagger": "2.0",
      "info": {"title": "Orders", "description": "All of it", "version": "1.10", "contact": {"email": "a@example.com"}},
      "host": "abc.api.example.com",
      "schemes": ["https", "http"],
      "basePath": "/orders",
      "consumes": ["application/json"],
      "tags": [{"name": "members", "description": null}],
      "x-vendor": {"keep": [1, 2.5, true, null]},
      "x-toastcloud-apigw": {
        "stage": "real",
        "plugins": {
          "HTTP_PROXY": {"url": "http://127.0.0.1:9000/base"},
          "IPACL": {"isPermit": true, "ipList": [{"ip": "10.0.0.0/8"}, {"ip": "::1"}]},
          "USAGE_QUOTA": {"usageQuotaBeans": [
            {"maxUsageQuota": 100000, "resetTimeSeconds": 86400}, {"maxUsageQuota": 500, "resetTimeSeconds": 1}]},
          "MAINTENANCE": {"isUse": false, "statusCode": 503, "headers": {"Retry-After": "120"}, "body": "back soon"},
          "HMAC": {"secretKey": "s3cret", "clockSkew": 300},
          "JWT": {"secretKey": {"env": "JWT_KEY"}, "clockSkew": 30, "issuer": "idp"},
          "CORS": {"allowedOrigins": ["https://app.example.com"], "allowedMethods": ["GET", "POST"],
            "allowedHeaders": ["Authorization"], "exposedHeaders": [], "maxCredentialsAge": 600,
            "allowCredentials": true},
          "URI_REWRITE": {"uriPattern": "/(.*)", "rewriteUri": "/api/%1"}
        }
      },
      "paths": {
        "x-paths": 1,
        "/members/{memberId}": {
          "parameters": [{"name": "memberId", "in": "path", "required": true, "type": "string"}],
          "get": {
            "summary": "One member", "operationId": "getMember",
            "responses": {"200": {"description": "ok", "schema": {"$ref": "#/definitions/Member"}}},
            "x-toastcloud-apigw": {
              "timeout": 3,
              "plugins": {
                "ENDPOINT_USAGE_QUOTA": {"usageQuotaBeans": [{"maxUsageQuota": 10, "resetTimeSeconds": 1}]},
                "PRE_API": {"method": "GET", "url": "http://127.0.0.1:9100/authorise"},
                "URI_REWRITE": {"uriPattern": "/members/(.*)", "rewriteUri": "/m/%1"},
                "HEADER": {"requestHeaders": {"X-Gateway": "sluice"}, "responseHeaders": {"X-Served-By": "sluice"}}
              }
            }
          },
          "delete": {"responses": {"default": {"description": "the upstream's response"}}}
        },
        "/hello": {
          "get": {
            "responses": {},
            "x-toastcloud-apigw": {"plugins": {
              "MOCK": {"statusCode": 200, "headers": {"Content-Type": "text/plain"}, "body": "hello world"},
              "URI_REWRITE": {"uriPattern": "/(.*)", "rewriteUri": "/api/%1"}
            }}
          },
          "head": {"x-toastcloud-apigw": {"plugins": {}}, "responses": {}},
          "options": {"x-toastcloud-apigw": {}, "responses": {}}
        },
        "/only-parameters": {"parameters": []},
        "/nothing": {}
      },
      "definitions": {"Member": {"type": "object", "properties": {"id": {"type": "string", "default": null}}}}
    }
    """

/// A configuration with everything that the plugins cannot say.
let configurationWithEverything = """
    listeners:
      - address: 0.0.0.0:8443
        tls: {certificate: /etc/tls.crt, key: {file: /etc/tls.key}}
    trustedProxies: [10.0.0.0/8]
    projects: {shop: {ceiling: 10000}}
    domains:
      - key: orders
        hosts: [orders.example.com, "*.example.com"]
        project: shop
        upstream: [http://127.0.0.1:9000/base, http://127.0.0.1:9001/base]
        upstreamTls: {ca: /etc/ca.pem, verify: true}
        upstreamTimeoutMs: 1000
        encodedSlashes: keep
        policies:
          ipAcl: {permit: true, addresses: [10.0.0.0/8, "::1"]}
          usageQuota: [{limit: 100000, perSeconds: 86400}, {limit: 500, perSeconds: 1}]
          maintenance: {enabled: false, status: 503, headers: {Retry-After: "120"}, body: "back soon"}
          cors: {origins: ["https://app.example.com"], methods: [GET], headers: [A], expose: [], credentials: true, maxAge: 600}
          hmac: {secret: {env: ORDERS_SECRET}, clockSkew: 300, algorithms: [HmacSHA256], requiredHeaders: [host], replayProtection: true}
          jwt: {algorithm: RS256, jwks: "https://idp.example.com/jwks.json", issuer: idp, audience: [orders], clockSkew: 30,
            claims: [{name: scope, oneOf: [read]}, {name: admin, present: true}], forward: {sub: X-User}}
        endpoints:
          - path: /v1.0/members/{memberId}
            methods: [POST, GET, TRACE]
            policies:
              usageQuota: [{limit: 10, perSeconds: 1}]
              preCall: {method: GET, url: "http://127.0.0.1:9100/authorise", cacheSeconds: 0, timeoutMs: 1000}
              rewrite: {pattern: "/v1.0/members/(.*)", to: /members/%1}
              headers: {request: {set: {X-Gateway: sluice}, remove: [X-Debug]}, response: {set: {X-A: b}, remove: [Server]}}
          - path: /hello
            methods: [GET]
            policies:
              mock: {status: 200, headers: {Content-Type: text/plain}, body: "hello world"}
          - {path: "/v1.0/members/{memberId}", methods: [DELETE]}
          - {path: /trace, methods: [TRACE]}
          - {path: /hello, methods: [GET, PUT], policies: {}}
          - {path: /hello, methods: [PUT]}
          - methods: [GET]
    """

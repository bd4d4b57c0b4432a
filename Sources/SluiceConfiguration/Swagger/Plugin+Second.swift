extension Plugin {
    /// The plugins of `x-nhncloud-apigateway`. Where no fields stand, `SecondForm` reads and writes them.
    static let second = [
        Plugin("HTTP", "policies", "rewrite", level: .method, []),
        Plugin("MOCK", "policies", "mock", level: .method, [
            Field("statusCode", "status", form: .status, required: true, standIn: .integer(200)),
            Field("headers", "headers", form: .literalHeaders), Field("body", "body", form: .text),
        ]),
        Plugin("CORS", "policies", "cors", level: .path, [
            Field("allowedOrigins", "origins", form: .texts, required: true, standIn: .string("*")),
            Field("allowedMethods", "methods", form: .texts), Field("allowedHeaders", "headers", form: .texts),
            Field("exposedHeaders", "expose", form: .texts), Field("allowCredentials", "credentials", form: .boolean),
            Field("maxCredentialsAge", "maxAge", form: .age),
        ]),
        Plugin("SET_REQUEST_HEADER", "policies", "headers", "request", "set", level: .operation, [Field("headers", form: .literalHeaders, required: true)]),
        Plugin("REMOVE_REQUEST_HEADER", "policies", "headers", "request", "remove", level: .operation, [Field("headers", form: .textList, required: true)]),
        Plugin("SET_RESPONSE_HEADER", "policies", "headers", "response", "set", level: .operation, [Field("headers", form: .literalHeaders, required: true)]),
        Plugin("REMOVE_RESPONSE_HEADER", "policies", "headers", "response", "remove", level: .operation, [Field("headers", form: .textList, required: true)]),
        Plugin("ADD_REQUEST_QUERY_PARAMETER", "policies", "rewrite", level: .operation, []),
        Plugin("PRE_API", "policies", "preCall", level: .operation, [
            Field("httpMethod", "method", form: .text, required: true, standIn: .string("GET")),
            Field("url", "url", form: .text, required: true, standIn: url), Field("cacheTtl", "cacheSeconds", form: .integer),
        ]),
        Plugin("RATE_LIMIT", "policies", "rateLimit", level: .rootOrMethod, []),
        Plugin("REQUEST_VALIDATOR", "policies", "validate", level: .operation, []),
        Plugin("API_KEY", "policies", "apiKey", level: .operation, []),
    ]
}

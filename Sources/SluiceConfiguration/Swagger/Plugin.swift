/// One plugin of a vendor extension (`PluginForm`), and the policy that it stands for.
struct Plugin: Sendable {
    enum Level: Sendable {
        /// For the whole document, that is for a domain.
        case domain
        /// For one operation, that is for an endpoint; at the top of a document, and in the second form on a path, for all operations below without
        /// their own.
        case operation
        /// For one operation alone.
        case method
        /// For one operation, or for everything: on the path `/`.
        case rootOrMethod
        /// For a path and everything below.
        case path
    }

    /// How a field's value is written on both sides.
    enum Form: Sendable {
        case text, integer, boolean
        /// A list of texts, or a lone text that stands for a list of one; it stays as it is.
        case texts
        /// A mapping from names to texts; in a document also a list of `{name, value}`.
        case headers
        /// The same, where variables (`${NAME}`) cannot be told from text.
        case literalHeaders
        /// A list of texts.
        case textList
        /// An integer; in a document also as text.
        case status
        /// Seconds; in a document -1 for none.
        case age
        /// Text, `{env: NAME}` or `{file: PATH}`.
        case secret
        /// A list of `{ip}`; a list of texts on our side.
        case addresses
        /// A list of `{maxUsageQuota, resetTimeSeconds}`; of `{limit, perSeconds}` on our side.
        case quotas
    }

    struct Field: Sendable {
        /// In the document.
        let name: String
        /// The way to it inside the policy; empty if the policy is this value.
        let way: [String]
        let form: Form
        let isRequired: Bool
        /// What the policy is read with if this required field is missing or unusable, so that the faults of its other fields are
        /// told of in the same run; never more than that, since the problem refuses the configuration. Nil where the other fields say
        /// nothing by themselves.
        let standIn: ConfigurationNode.Content?

        init(_ name: String, _ way: String..., form: Form, required: Bool = false, standIn: ConfigurationNode.Content? = nil) {
            self.name = name
            self.way = way
            self.form = form
            isRequired = required
            self.standIn = standIn
        }
    }

    let name: String
    /// The way to the policy inside the domain or the endpoint.
    let way: [String]
    let level: Level
    let fields: [Field]

    init(_ name: String, _ way: String..., level: Level, _ fields: [Field]) {
        self.name = name
        self.way = way
        self.level = level
        self.fields = fields
    }

    /// The plugins of `x-toastcloud-apigw`.
    static let first = [
        Plugin("HTTP_PROXY", "upstream", level: .domain, [Field("url", form: .text, required: true, standIn: url)]),
        Plugin("IPACL", "policies", "ipAcl", level: .domain, [
            Field("isPermit", "permit", form: .boolean, required: true, standIn: .bool(true)),
            Field("ipList", "addresses", form: .addresses, required: true),
        ]),
        Plugin("USAGE_QUOTA", "policies", "usageQuota", level: .domain, quotaFields),
        Plugin("MAINTENANCE", "policies", "maintenance", level: .domain,
            [Field("isUse", "enabled", form: .boolean, required: true, standIn: .bool(false))] + responseFields(statusRequired: false)),
        Plugin("CORS", "policies", "cors", level: .domain, [
            Field("allowedOrigins", "origins", form: .texts), Field("allowedMethods", "methods", form: .texts),
            Field("allowedHeaders", "headers", form: .texts), Field("exposedHeaders", "expose", form: .texts),
            Field("allowCredentials", "credentials", form: .boolean),
            Field("maxCredentialsAge", "maxAge", form: .integer),
        ]),
        Plugin("HMAC", "policies", "hmac", level: .domain, [
            Field("secretKey", "secret", form: .secret, required: true, standIn: secret), Field("clockSkew", "clockSkew", form: .integer),
        ]),
        Plugin("JWT", "policies", "jwt", level: .domain, [
            Field("secretKey", "secret", form: .secret, required: true, standIn: secret), Field("clockSkew", "clockSkew", form: .integer),
            Field("issuer", "issuer", form: .text),
        ]),
        Plugin("ENDPOINT_USAGE_QUOTA", "policies", "usageQuota", level: .operation, quotaFields),
        Plugin("PRE_API", "policies", "preCall", level: .operation, [
            Field("method", "method", form: .text), Field("url", "url", form: .text, required: true, standIn: url),
        ]),
        Plugin("URI_REWRITE", "policies", "rewrite", level: .operation, [
            Field("uriPattern", "pattern", form: .text, required: true),
            Field("rewriteUri", "to", form: .text, required: true, standIn: .string("/")),
        ]),
        Plugin("HEADER", "policies", "headers", level: .operation, [
            Field("requestHeaders", "request", "set", form: .headers),
            Field("responseHeaders", "response", "set", form: .headers),
        ]),
        Plugin("MOCK", "policies", "mock", level: .operation, responseFields(statusRequired: true)),
    ]

    static let url = ConfigurationNode.Content.string("http://127.0.0.1")
    private static let secret = ConfigurationNode.Content.string("stands in for a secret of at least 32 bytes")
    private static let quotaFields = [Field("usageQuotaBeans", form: .quotas, required: true)]

    private static func responseFields(statusRequired: Bool) -> [Field] {
        [
            Field("statusCode", "status", form: .integer, required: statusRequired, standIn: .integer(200)),
            Field("headers", "headers", form: .headers), Field("body", "body", form: .text),
        ]
    }
}

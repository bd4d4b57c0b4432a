/// A kind of document that is a configuration.
enum DocumentFormat: Sendable {
    /// Swagger 2.0.
    case swagger
    /// OpenAPI 3.0 and 3.1.
    case openAPI

    /// Nil for a configuration of our own.
    init?(of node: ConfigurationNode) {
        if node[Self.swagger.versionKey] != nil {
            self = .swagger
        } else if node[Self.openAPI.versionKey] != nil, node["domains"] == nil {
            self = .openAPI
        } else {
            return nil
        }
    }

    /// The document's key that tells its version.
    var versionKey: String {
        switch self {
        case .swagger: "swagger"
        case .openAPI: "openapi"
        }
    }

    /// Where a domain and an endpoint keep what the gateway does not read.
    var opaqueKey: String { versionKey }

    /// The operations of a path item (Swagger 2.0 and OpenAPI 3.1, "Path Item Object").
    var methods: [String] {
        switch self {
        case .swagger: SwaggerImport.methods
        case .openAPI: SwaggerImport.methods + ["trace"]
        }
    }

    /// What else may stand in a path item.
    var itemKeys: Set<String> {
        switch self {
        case .swagger: ["$ref", "parameters"]
        case .openAPI: ["$ref", "parameters", "summary", "description", "servers"]
        }
    }

    /// Whether documents of this version can be converted; YAML without quotes makes it a number.
    func isSupported(_ version: ConfigurationNode?) -> Bool {
        switch (self, version?.content) {
        case (.swagger, .string("2.0")), (.swagger, .number(2)): true
        case (.openAPI, .string(let text)): ["3.0", "3.1"].contains { text == $0 || text.hasPrefix("\($0).") }
        case (.openAPI, .number(let number)): number == 3.0 || number == 3.1
        default: false
        }
    }

    /// For problems.
    var supportedVersions: String {
        switch self {
        case .swagger: "\"2.0\""
        case .openAPI: "\"3.0.x\" or \"3.1.x\""
        }
    }
}

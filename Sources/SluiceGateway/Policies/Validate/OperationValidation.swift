import SluiceConfiguration
import SluiceSchema

/// What a document says of the requests of one operation, as rules of `validate`.
struct OperationValidation {
    private let operation: DocumentOperation
    private let problems: Problems
    private let schemas: DocumentSchemas
    private(set) var parameters: [ParameterConfiguration] = []
    private(set) var body: ValidateBody.Configuration?

    init(_ operation: DocumentOperation, _ problems: Problems) {
        self.operation = operation
        self.problems = problems
        schemas = DocumentSchemas(operation, problems)
        for parameter in operation.parameters where parameter["name"] != nil {
            switch parameter["in"]?.text {
            case "query": add(parameter, .query)
            case "header" where operation.dialect != .swagger && Self.describedElsewhere.contains(parameter["name"]?.text?.asciiLowercased ?? ""): break
            case "header": add(parameter, .header)
            case "path": addVariable(parameter)
            case "cookie", "formData", "body": break
            default:
                problems.add(
                    at: parameter["in"] ?? parameter, found: parameter["in"]?.found ?? "no `in`",
                    allowed: "query, header, path, cookie, formData or body")
            }
        }
        let described = operation.dialect == .swagger
            ? DocumentBody(operation.parameters, consumes: operation.consumes, problems)
            : operation.requestBody.flatMap { DocumentBody($0, DocumentReferences(operation.document), problems) }
        body = described.map(read)
    }

    /// Header parameters that OpenAPI 3 takes for none.
    private static let describedElsewhere: Set<String> = ["accept", "content-type", "authorization"]

    private mutating func add(_ node: ConfigurationNode, _ place: ParameterConfiguration.Place) {
        guard let name = Validate.name(Located(node["name"]?.text ?? "", at: node["name"] ?? node), place, problems) else { return }
        if let parameter = ParameterConfiguration.read(name, node, place, problems, { schemas.schema($0) }) { parameters.append(parameter) }
    }

    /// A variable of the path. The rest of a path (`{name+}`) is any text, and so is what is but a text.
    private mutating func addVariable(_ node: ConfigurationNode) {
        guard node["name"]?.text?.hasSuffix("+") != true else { return }
        let count = parameters.count
        add(node, .path)
        if parameters.count > count, parameters[count].isAnyText { parameters.removeLast() }
    }

    private func read(_ described: DocumentBody) -> ValidateBody.Configuration {
        var body = ValidateBody.Configuration()
        body.contentTypes = described.contentTypes
        body.isRequired = described.isRequired
        if let schema = described.schema { body.schema = schemas.schema(schema) }
        for parameter in described.form {
            guard let name = Validate.name(parameter.name, .form, problems) else { continue }
            // What is no text is JSON in a form of OpenAPI 3.
            if let schema = parameter.written["schema"], let made = schemas.schema(schema), made.handle.kinds.subtracting(.null) == .object {
                body.form.append(ParameterConfiguration(
                    name: name, place: .form, isRequired: parameter.isRequired, allowsEmpty: false, form: .json, schema: made,
                    isAnyText: false))
            } else if let made = ParameterConfiguration.read(name, parameter.written, .form, problems, { schemas.schema($0) }) {
                body.form.append(made)
            }
        }
        return body
    }
}

extension Validate {
    /// Puts what a document says of an endpoint in place of `validate: true`.
    static func complete(_ configuration: Configuration, by place: DocumentPlace) -> Configuration? {
        guard let flag = configuration.isFromDocument else { return nil }
        let methods = place.endpoint["methods"].map { node in node.elements?.compactMap(\.text) ?? node.text.map { [$0] } ?? [] } ?? []
        let described = (methods.isEmpty ? DocumentPlace.methods : methods).map {
            DocumentOperation(of: place.endpoint, in: place.domain, method: $0, place.problems)
        }
        let operations = described.compactMap(\.self)
        guard let first = operations.first else {
            if place.isInherited ? place.isFirst && !place.hasDocumentAnywhere : true {
                place.problems.add(
                    at: flag, found: "`true` for an endpoint that no document describes",
                    allowed: "rules, or an endpoint of a Swagger 2.0 or OpenAPI 3 document")
            }
            return nil
        }
        let validation = OperationValidation(first, place.problems)
        let areAlike = operations.dropFirst().allSatisfy { $0.saysTheSame(as: first) }
        // An operation without parameters and a body of its own leaves nothing in the configuration.
        let saysNothing = validation.parameters.isEmpty && validation.body == nil
        let areAllKnown = operations.count == described.count || methods.isEmpty || saysNothing
        guard areAlike, areAllKnown else {
            place.problems.add(
                at: place.endpoint["methods"] ?? flag, found: "`validate: true` for methods that the document describes differently",
                allowed: "an endpoint for each method")
            return nil
        }
        var completed = Configuration()
        completed.typed = validation.parameters
        completed.body = validation.body
        let counts = [.query, .header, .path].map { kind in completed.typed.count { $0.place == kind } } + [completed.body?.form.count ?? 0]
        if counts.contains(where: { $0 > TypedParameters.countMax }) {
            place.problems.add(at: first.node, found: "more than \(TypedParameters.countMax) parameters", allowed: "at most \(TypedParameters.countMax)")
            return nil
        }
        return completed
    }
}

extension DocumentOperation {
    /// Whether requests of both have to be the same.
    fileprivate func saysTheSame(as other: DocumentOperation) -> Bool {
        guard parameters.count == other.parameters.count, zip(parameters, other.parameters).allSatisfy({ $0.hasSameContent(as: $1) }) else { return false }
        let pairs = [(requestBody, other.requestBody)] + (dialect == .swagger ? [(consumes, other.consumes)] : [])
        return pairs.allSatisfy { own, others in
            switch (own, others) {
            case (nil, nil): true
            case (let own?, let others?): own.hasSameContent(as: others)
            default: false
            }
        }
    }
}

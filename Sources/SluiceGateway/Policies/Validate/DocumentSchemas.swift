import SluiceConfiguration
import SluiceSchema

/// Compiles schemas as documents write them.
struct DocumentSchemas {
    /// Nil for schemas that refer to nothing but themselves.
    private let references: DocumentReferences?
    private let dialect: DocumentOperation.Dialect
    private let problems: Problems

    /// Of an operation's document.
    init(_ operation: DocumentOperation, _ problems: Problems) {
        references = DocumentReferences(operation.document)
        dialect = operation.dialect
        self.problems = problems
    }

    /// Of parameters in a configuration of our own, which are written as in OpenAPI 3.0.
    init(_ problems: Problems) {
        references = nil
        dialect = .openAPI30
        self.problems = problems
    }

    /// Nil, and a problem at its place, if it cannot be used.
    func schema(_ node: ConfigurationNode) -> JSONSchema? {
        do throws(DocumentReferences.Fault) {
            let schema = try DocumentSchema(node, references ?? DocumentReferences(node), dialect)
            do throws(SchemaError) {
                return try JSONSchema(Array(ConfigurationWriter.json(schema.node).utf8))
            } catch {
                let (place, rest) = schema.origin(of: error.place)
                problems.add(at: place, found: rest.isEmpty ? error.found : "\(rest.joined(separator: "/")): \(error.found)", allowed: error.allowed)
            }
        } catch {
            error.report(problems)
        }
        return nil
    }
}

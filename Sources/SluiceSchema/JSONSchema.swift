package import SluiceHTTP
package import SluicePattern

/// A JSON Schema of draft 4, compiled once.
///
/// Immutable; any thread, and therefore Sendable. What changes while validating is in `JSONMemory` and `MatchScratch`, one of each per worker.
package final class JSONSchema: @unchecked Sendable {
    package struct Options: Sendable {
        /// Whether words that only other drafts know are errors. Without it they are ignored, as draft 4 asks for.
        package var refusesOtherDrafts = true

        package init() {}
    }

    /// What a validation comes to.
    package enum Outcome {
        case right
        /// The text is no JSON that is taken.
        case unreadable(JSONFault)
        /// Place and rule, in the memory that was given.
        case wrong(SchemaRule, ByteView)
    }

    /// Valid for as long as the `JSONSchema` that it came from. Safe on any thread: what it points to is only read.
    package struct Handle: BitwiseCopyable, @unchecked Sendable {
        let program: SchemaProgram

        /// Whether the text is a document of JSON that the schema describes.
        ///
        /// - Parameter fault: room for what is wrong: `JSONSchema.faultBytesMax`.
        package func validate(
            _ text: ByteView, _ memory: JSONMemory.Handle, _ matches: MatchScratch.Handle, fault: UnsafeMutablePointer<UInt8>
        ) -> Outcome {
            switch JSONReader.read(text, into: memory) {
            case .failure(let refused): return .unreadable(refused.fault)
            case .success(let index):
                var validation = SchemaValidation(program, index, memory, matches, steps: JSONSchema.steps(for: index.count))
                guard !validation.run() else { return .right }
                let count = validation.fault.write(to: fault)
                return .wrong(validation.fault.rule, ByteView(base: UnsafePointer(fault), count: count))
            }
        }
    }

    /// Longest text that says what is wrong.
    package static let faultBytesMax = SchemaFault.bytesMax

    /// Steps that the validation of a document of so many values and names may take: what a schema asks of each, and no more than some ten milliseconds are
    /// good for.
    static func steps(for entries: Int) -> Int { min(20_000 + 256 * entries, 4_000_000) }

    /// Whether a text is a number of JSON that is taken, and nothing else.
    package static func isNumber(_ text: ByteView) -> Bool {
        guard let number = JSONNumberText(text.base, from: 0, to: text.count) else { return false }
        return number.end == text.count && !number.isOutOfRange
    }

    package let handle: Handle
    private let documents: [SchemaDocument]
    private let patterns: [Regex]
    private let texts: [UnsafeMutablePointer<UInt8>]

    /// - Parameters:
    ///   - text: a schema, as JSON.
    ///   - others: other documents that it may refer to, by their URIs.
    package init(_ text: [UInt8], others: [(uri: String, text: [UInt8])] = [], options: Options = Options()) throws(SchemaError) {
        var documents = [try SchemaDocument(text, uri: "")]
        for other in others { documents.append(try SchemaDocument(other.text, uri: other.uri)) }
        documents.append(try SchemaDocument(MetaSchema.text.utf8, uri: MetaSchema.uri))
        self.documents = documents
        var compiler = SchemaCompiler(SchemaReferences(documents), options)
        let root: Int32
        do {
            root = try compiler.compile()
        } catch {
            for text in compiler.storage.texts { text.deallocate() }
            throw error
        }
        let storage = compiler.storage
        patterns = storage.patterns
        texts = storage.texts
        handle = Handle(program: SchemaProgram(
            nodes: Self.keep(storage.nodes), subs: Self.keep(storage.subs), names: Self.keep(storage.names), nameSlots: Self.keep(storage.nameSlots),
            patterned: Self.keep(storage.patterned), dependencies: Self.keep(storage.dependencies), dependentNames: Self.keep(storage.dependentNames),
            numbers: Self.keep(storage.numbers), patterns: Self.keep(storage.patterns.map(\.handle)), values: Self.keep(storage.values), root: root))
    }

    private static func keep<Element: BitwiseCopyable>(_ elements: [Element]) -> UnsafePointer<Element> {
        let memory = UnsafeMutablePointer<Element>.allocate(capacity: max(1, elements.count))
        _ = UnsafeMutableBufferPointer(start: memory, count: max(1, elements.count)).initialize(from: elements)
        return UnsafePointer(memory)
    }

    deinit {
        let program = handle.program
        program.nodes.deallocate()
        program.subs.deallocate()
        program.names.deallocate()
        program.nameSlots.deallocate()
        program.patterned.deallocate()
        program.dependencies.deallocate()
        program.dependentNames.deallocate()
        program.numbers.deallocate()
        program.patterns.deallocate()
        program.values.deallocate()
        for text in texts { text.deallocate() }
    }
}

import ArgumentParser
import SluiceConfiguration

/// `--config FILE`, or the file as an argument: see `FileArgument`.
struct ConfigurationOption: ParsableArguments {
    @Option(name: .customLong("config"), help: ArgumentHelp("The configuration: YAML, JSON or a Swagger 2.0 document. The file may also stand as the first argument, without --config.", valueName: "FILE"), completion: .file(extensions: ["yaml", "yml", "json"]))
    var file: String
}

import ArgumentParser
import SluiceConfiguration

/// `--config FILE`.
struct ConfigurationOption: ParsableArguments {
    @Option(name: .customLong("config"), help: ArgumentHelp("The configuration: YAML, JSON or a Swagger 2.0 document.", valueName: "FILE"))
    var file: String
}

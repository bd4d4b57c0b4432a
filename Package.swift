// swift-tools-version: 6.2
import PackageDescription

/// Settings of every target of our own. Warnings fail CI (`.ci/run` reads them from the build's output), not a user's build:
/// a newer compiler must not keep anybody from building.
let swift: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// Of what simulations play: every test run plays ten thousand seeds.
let playedFast: [SwiftSetting] = [.unsafeFlags(["-O"], .when(configuration: .debug))]

let package = Package(
    name: "sluice",
    products: [
        .executable(name: "sluice", targets: ["sluice"])
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        // Sixteen bytes at a time: a header of our own, compiled with what includes it.
        .systemLibrary(name: "CByteScan", path: "CShims/CByteScan"),

        // C libraries of the system, one module each.
        .systemLibrary(
            name: "CLibevent", path: "CShims/CLibevent",
            providers: [.apt(["libevent-dev"])]),
        .systemLibrary(
            name: "COpenSSL", path: "CShims/COpenSSL", pkgConfig: "openssl",
            providers: [.apt(["libssl-dev"])]),
        .systemLibrary(
            name: "CPCRE2", path: "CShims/CPCRE2", pkgConfig: "libpcre2-8",
            providers: [.apt(["libpcre2-dev"])]),
        .systemLibrary(
            name: "CHiredis", path: "CShims/CHiredis",
            providers: [.apt(["libhiredis-dev"])]),

        // Each hides one C library, or keeps I/O out.
        .target(name: "SluiceHTTP", dependencies: ["CByteScan"], swiftSettings: swift),
        .target(name: "SluiceHTTP2", dependencies: ["SluiceHTTP"], swiftSettings: swift),
        .target(name: "SluiceEvent", dependencies: ["CLibevent", "SluiceHTTP"], swiftSettings: swift),
        .target(name: "SluiceCrypto", dependencies: ["COpenSSL", "SluiceHTTP"], swiftSettings: swift),
        .target(name: "SluicePattern", dependencies: ["CPCRE2", "SluiceHTTP"], swiftSettings: swift),
        // JSON and JSON Schema: no I/O, and nothing allocated once its memory has grown.
        .target(name: "SluiceSchema", dependencies: ["SluiceHTTP", "SluicePattern"], swiftSettings: swift),
        // What the process itself asks others: within bounds of time and size, and never on a worker.
        .target(name: "SluiceClient", dependencies: ["SluiceCrypto", "SluiceEvent", "SluiceHTTP"], swiftSettings: swift),
        .target(
            name: "SluiceConfiguration",
            dependencies: [
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: swift),

        // What is counted, and how: no clocks, no sockets, no files.
        .target(name: "SluiceCounting", swiftSettings: swift + playedFast),

        // Who may call, by keys, and with what limits: no clocks, no sockets, no files.
        .target(name: "SluiceCallers", dependencies: ["SluiceHTTP"], swiftSettings: swift + playedFast),

        // Where reserved allowance is kept, and callers.
        .target(
            name: "SluiceStore",
            dependencies: ["SluiceCallers", "SluiceCounting", .product(name: "GRDB", package: "GRDB.swift")],
            swiftSettings: swift),

        // Counts that several nodes share.
        .target(
            name: "SluiceRedis",
            dependencies: ["CHiredis", "SluiceClient", "SluiceConfiguration", "SluiceCounting", "SluiceCrypto", "SluiceEvent"], swiftSettings: swift),

        // The fleet on paper: the store's rules and a simulation of nodes, for tests and benchmarks.
        .target(
            name: "SluiceSimulation", dependencies: ["SluiceCounting"],
            swiftSettings: swift + playedFast),
        .executableTarget(
            name: "counting-simulation", dependencies: ["SluiceSimulation"], path: "benchmarks/counting-simulation", swiftSettings: swift),
        .executableTarget(
            name: "counting-benchmark", dependencies: ["SluiceCallers", "SluiceCounting", "SluiceCrypto", "SluiceHTTP"], path: "benchmarks/counting", swiftSettings: swift),

        // The data plane: the only hot module.
        .target(
            name: "SluiceGateway",
            dependencies: [
                "SluiceCallers", "SluiceClient", "SluiceConfiguration", "SluiceCounting", "SluiceCrypto", "SluiceEvent", "SluiceHTTP", "SluiceHTTP2",
                "SluicePattern", "SluiceSchema", .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: swift),
        .target(
            name: "SluiceAdmin",
            dependencies: ["SluiceCallers", "SluiceConfiguration", "SluiceCounting", "SluiceCrypto", "SluiceEvent", "SluiceGateway", "SluiceHTTP"],
            swiftSettings: swift),
        .executableTarget(
            name: "sluice",
            dependencies: [
                "SluiceAdmin", "SluiceCallers", "SluiceClient", "SluiceConfiguration", "SluiceCounting", "SluiceCrypto", "SluiceEvent", "SluiceGateway", "SluiceHTTP",
                "SluiceRedis", "SluiceStore",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: swift),

        // A whole gateway with clients, services, network and clocks in memory, and a model that says what has to come of it; in no installation.
        .target(name: "CVirtualKernel", path: "Tests/Simulation/Kernel"),
        .executableTarget(
            name: "gateway-simulation",
            dependencies: [
                "CVirtualKernel", "SluiceConfiguration", "SluiceCounting", "SluiceCrypto", "SluiceEvent", "SluiceGateway", "SluiceHTTP", "SluiceHTTP2",
                "SluiceSimulation",
                .product(name: "Logging", package: "swift-log"),
            ],
            path: "Tests/Simulation/Program", swiftSettings: swift + playedFast),

        // Our codec for Tests/Conformance/differential.py; no product, so that it is in nobody's installation.
        .executableTarget(
            name: "codec-driver", dependencies: ["SluiceHTTP"], path: "Tests/Conformance/Driver", swiftSettings: swift),

        // Our validator for Tests/Conformance/schemas.py.
        .executableTarget(
            name: "schema-driver", dependencies: ["SluiceHTTP", "SluicePattern", "SluiceSchema"], path: "Tests/Conformance/SchemaDriver", swiftSettings: swift),

        .testTarget(name: "SluiceHTTPTests", dependencies: ["SluiceHTTP"], swiftSettings: swift),
        .testTarget(name: "SluiceHTTP2Tests", dependencies: ["SluiceHTTP2", "SluiceHTTP"], exclude: ["Judges"], swiftSettings: swift),
        .testTarget(name: "SluiceCryptoTests", dependencies: ["SluiceCrypto", "SluiceHTTP"], swiftSettings: swift),
        .testTarget(name: "SluiceClientTests", dependencies: ["SluiceClient", "SluiceEvent", "SluiceHTTP"], swiftSettings: swift),
        .testTarget(name: "SluicePatternTests", dependencies: ["SluicePattern", "SluiceHTTP"], swiftSettings: swift),
        .testTarget(name: "SluiceSchemaTests", dependencies: ["SluiceSchema", "SluicePattern", "SluiceHTTP"], swiftSettings: swift),
        .testTarget(name: "SluiceConfigurationTests", dependencies: ["SluiceConfiguration"], swiftSettings: swift),
        .testTarget(
            name: "SluiceRedisTests",
            dependencies: ["SluiceRedis", "SluiceClient", "SluiceConfiguration", "SluiceCounting", "SluiceCrypto", "SluiceEvent", "SluiceSimulation"],
            swiftSettings: swift),
        .testTarget(name: "SluiceSimulationTests", dependencies: ["SluiceSimulation"], swiftSettings: swift),
        .testTarget(name: "SluiceCallersTests", dependencies: ["SluiceCallers"], swiftSettings: swift),
        .testTarget(name: "SluiceCountingTests", dependencies: ["SluiceCounting"], swiftSettings: swift),
        .testTarget(
            name: "SluiceStoreTests",
            dependencies: ["SluiceStore", "SluiceCallers", "SluiceCounting", .product(name: "GRDB", package: "GRDB.swift")],
            swiftSettings: swift),
        .testTarget(
            name: "SluiceGatewayTests",
            dependencies: [
                "SluiceGateway", "SluiceCallers", "SluiceClient", "SluiceConfiguration", "SluiceCounting", "SluiceCrypto", "SluiceEvent", "SluiceHTTP",
                "SluicePattern",
                .product(name: "Logging", package: "swift-log"),
            ],
            exclude: ["Vectors/make_vectors.py"],
            swiftSettings: swift),
        .testTarget(
            name: "SluiceAdminTests",
            dependencies: [
                "SluiceAdmin", "SluiceCallers", "SluiceConfiguration", "SluiceEvent", "SluiceGateway", "SluiceHTTP", .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: swift),
        .testTarget(name: "EndToEndTests", dependencies: ["SluiceEvent", "SluiceHTTP", "SluiceHTTP2"], swiftSettings: swift),
        .testTarget(name: "GatewaySimulationTests", dependencies: ["gateway-simulation"], swiftSettings: swift),
        .testTarget(name: "TidyTests", dependencies: [], swiftSettings: swift),
    ]
)

// Built by scripts/fuzz alone: libFuzzer's main would be in every build's way.
if Context.environment["SLUICE_FUZZ"] != nil {
    let dictionaries = ["chunked-body", "configuration", "gateway", "request-head", "response-head", "swagger"].map { "\($0).dict" }
    package.targets.append(
        .executableTarget(
            name: "SluiceFuzz",
            dependencies: ["SluiceConfiguration", "SluiceCounting", "SluiceCrypto", "SluiceEvent", "SluiceGateway", "SluiceHTTP", "SluiceHTTP2", "SluicePattern", "SluiceSchema"],
            path: "Tests/Fuzz", exclude: ["Corpora", "README.md", "make_corpora.py"] + dictionaries, swiftSettings: swift))
}

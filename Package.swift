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

let package = Package(
    name: "sluice",
    products: [
        .executable(name: "sluice", targets: ["sluice"])
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
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

        // Each hides one C library, or keeps I/O out.
        .target(name: "SluiceHTTP", dependencies: ["CByteScan"], swiftSettings: swift),
        .target(name: "SluiceEvent", dependencies: ["CLibevent", "SluiceHTTP"], swiftSettings: swift),
        .target(name: "SluiceCrypto", dependencies: ["COpenSSL", "SluiceHTTP"], swiftSettings: swift),
        .target(name: "SluicePattern", dependencies: ["CPCRE2", "SluiceHTTP"], swiftSettings: swift),
        .target(
            name: "SluiceConfiguration",
            dependencies: [
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: swift),

        // The data plane: the only hot module.
        .target(
            name: "SluiceGateway",
            dependencies: [
                "SluiceConfiguration", "SluiceCrypto", "SluiceEvent", "SluiceHTTP", "SluicePattern",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: swift),
        .target(
            name: "SluiceAdmin",
            dependencies: ["SluiceEvent", "SluiceGateway"],
            swiftSettings: swift),
        .executableTarget(
            name: "sluice",
            dependencies: [
                "SluiceAdmin", "SluiceConfiguration", "SluiceCrypto", "SluiceGateway", "SluiceHTTP",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: swift),

        .testTarget(name: "SluiceHTTPTests", dependencies: ["SluiceHTTP"], swiftSettings: swift),
        .testTarget(name: "SluiceCryptoTests", dependencies: ["SluiceCrypto", "SluiceHTTP"], swiftSettings: swift),
        .testTarget(name: "SluicePatternTests", dependencies: ["SluicePattern", "SluiceHTTP"], swiftSettings: swift),
        .testTarget(name: "SluiceConfigurationTests", dependencies: ["SluiceConfiguration"], swiftSettings: swift),
        .testTarget(
            name: "SluiceGatewayTests",
            dependencies: ["SluiceGateway", "SluiceConfiguration", "SluiceCrypto", "SluiceHTTP", "SluicePattern"],
            exclude: ["Vectors/make_vectors.py"],
            swiftSettings: swift),
        .testTarget(name: "EndToEndTests", dependencies: [], swiftSettings: swift),
        .testTarget(name: "TidyTests", dependencies: [], swiftSettings: swift),
    ]
)

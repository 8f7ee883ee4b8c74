// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]
let log: Target.Dependency = .product(name: "Logging", package: "swift-log")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let signals: Target.Dependency = .product(name: "UnixSignals", package: "swift-service-lifecycle")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let configuration: Target.Dependency = .product(name: "Configuration", package: "swift-configuration")
let nio: [Target.Dependency] = [
    .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOPosix", package: "swift-nio"),
    .product(name: "NIOSSL", package: "swift-nio-ssl"),
]

let hummingbird: [Target.Dependency] = [
    .product(name: "HummingbirdCore", package: "hummingbird"),
    .product(name: "HTTPTypes", package: "swift-http-types"),
]
let hummingbirdRouter: Target.Dependency = .product(name: "Hummingbird", package: "hummingbird")
let http1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let httpClient: [Target.Dependency] = [.product(name: "AsyncHTTPClient", package: "async-http-client"), http1]

let package = Package(
    name: "muster",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "muster-server", targets: ["muster-server"]),
        .executable(name: "muster", targets: ["muster"]),
        .library(name: "MusterClient", targets: ["MusterClient"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.2"),
        // A certificate's names can be read by an underscored function alone, which may change in any minor version.
        .package(url: "https://github.com/apple/swift-nio-ssl.git", .upToNextMinor(from: "2.37.6")),
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-configuration.git", from: "1.4.0"),
        // SwiftPM writes the flags of several traits in any order, and compiles all of it again where the order is new.
        .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.1", traits: []),
        .package(url: "https://github.com/apple/swift-http-types.git", from: "1.8.0"),
        .package(url: "https://github.com/swift-server/async-http-client.git", from: "1.37.0"),
    ],
    targets: [
        // A call goes down this list and its reply comes up: a target imports only those below it.
        .executableTarget(
            name: "muster-server",
            dependencies: [
                "MusterRPC", "MusterREST", "MusterHTTP", "MusterListener", "MusterHandlers", "MusterStore",
                "MusterMetrics", "MusterProtocol", "Postgres", log, lifecycle, signals, arguments, configuration,
            ] + hummingbird + nio,
            swiftSettings: settings),
        .executableTarget(
            name: "muster", dependencies: ["MusterClient", "MusterProtocol", log, arguments],
            swiftSettings: settings),
        // What scripts/bench runs.
        .executableTarget(
            name: "muster-bench", dependencies: ["MusterClient", "MusterProtocol", arguments] + nio + httpClient,
            path: "Benchmarks/MusterBench", swiftSettings: settings),
        .target(
            name: "MusterRPC",
            dependencies: ["MusterListener", "MusterHandlers", "MusterProtocol", log, lifecycle] + nio,
            swiftSettings: settings),
        .target(
            name: "MusterREST",
            dependencies: [
                "MusterHTTP", "MusterListener", "MusterHandlers", "MusterProtocol", log, hummingbirdRouter,
            ] + hummingbird + nio,
            swiftSettings: settings),
        .target(
            name: "MusterHTTP",
            dependencies: ["MusterListener", "MusterMetrics", "MusterProtocol", "Gzip", log, lifecycle, http1]
                + hummingbird + nio,
            swiftSettings: settings),
        .target(name: "MusterListener", dependencies: ["MusterProtocol", log] + nio, swiftSettings: settings),
        .target(
            name: "MusterClient",
            dependencies: ["MusterProtocol", log, .product(name: "NIOTLS", package: "swift-nio")] + nio,
            swiftSettings: settings),
        .target(
            name: "MusterHandlers",
            dependencies: [
                "MusterStore", "MusterUsers", "MusterMetrics", "MusterProtocol", "Cryptography", "Postgres", log,
                "Locking",
            ],
            swiftSettings: settings),
        .target(
            name: "MusterStore",
            dependencies: [
                "Postgres", "Zip", "MusterUsers", "MusterSets", "MusterSchema", "MusterMetrics", "MusterProtocol",
                "Locking", log,
            ],
            swiftSettings: settings),
        // The rules of users, events and imports, without a database.
        .target(name: "MusterUsers", dependencies: ["MusterSets", "MusterProtocol"], swiftSettings: settings),
        .target(
            name: "MusterSchema", path: "sql",
            resources: [
                .embedInCode("001_workspaces.sql"), .embedInCode("002_keys.sql"), .embedInCode("003_users.sql"),
                .embedInCode("004_sets.sql"), .embedInCode("005_cohorts.sql"), .embedInCode("006_events.sql"),
                .embedInCode("007_exports.sql"), .embedInCode("008_roles.sql"),
                .embedInCode("009_page_token_key.sql"), .embedInCode("010_upkeep.sql"),
                .embedInCode("011_attribute_changes.sql"), .embedInCode("012_steps_that_only_add.sql"),
                .embedInCode("013_partner_imports.sql"), .embedInCode("014_outdated_exports.sql"),
                .embedInCode("015_erasure_journal.sql"), .embedInCode("016_heads_and_logs.sql"),
                .embedInCode("017_comments.sql"),
            ],
            swiftSettings: settings),
        .target(name: "MusterSets", swiftSettings: settings),
        .target(name: "MusterMetrics", swiftSettings: settings),
        .target(name: "Postgres", dependencies: ["Locking", "CLibpq", log], swiftSettings: settings),
        .target(name: "Cryptography", dependencies: ["CLibcrypto"], swiftSettings: settings),
        .target(name: "Locking", swiftSettings: settings),
        .target(name: "Zip", dependencies: ["CZip"], swiftSettings: settings),
        .target(name: "Gzip", dependencies: ["CZlib"], swiftSettings: settings),
        .target(name: "MusterProtocol", dependencies: ["CSimdJSON"], swiftSettings: settings),
        .target(name: "CSimdJSON", linkerSettings: [.linkedLibrary("simdjson")]),
        .systemLibrary(name: "CLibpq", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .systemLibrary(name: "CLibcrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CZip", pkgConfig: "libzip", providers: [.apt(["libzip-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),

        // What tests share. TestSupport knows nothing of Muster: seeds, logs, waiting, processes, a PostgreSQL of its
        // own.
        .target(name: "TestSupport", dependencies: [log], path: "Tests/TestSupport", swiftSettings: settings),
        // Databases, servers and connections of Muster.
        .target(
            name: "MusterTestSupport",
            dependencies: [
                "TestSupport", "muster-server", "MusterRPC", "MusterREST", "MusterHTTP", "MusterListener",
                "MusterClient", "MusterHandlers", "MusterStore", "Postgres", "MusterProtocol", "CZip", log,
            ] + nio + httpClient,
            path: "Tests/MusterTestSupport", swiftSettings: settings),
        // Targets of tests for those above, in the same order; the first is for whole systems: several servers,
        // processes, models.
        .testTarget(
            name: "MusterSystemTests",
            dependencies: [
                "muster-server", "MusterRPC", "MusterClient", "MusterHandlers", "MusterStore", "MusterSets",
                "Postgres", "Locking", "MusterProtocol", "TestSupport", "MusterTestSupport",
            ],
            swiftSettings: settings),
        .testTarget(
            name: "MusterServerTests",
            dependencies: [
                "muster-server", "MusterRPC", "MusterREST", "MusterHTTP", "MusterClient", "MusterHandlers",
                "MusterStore", "MusterMetrics", "Postgres", "MusterProtocol", "TestSupport", "MusterTestSupport",
                log, lifecycle, arguments,
            ],
            swiftSettings: settings),
        .testTarget(
            name: "MusterRPCTests",
            dependencies: [
                "MusterRPC", "MusterListener", "MusterClient", "MusterHandlers", "MusterMetrics", "MusterProtocol",
                "TestSupport", "MusterTestSupport", lifecycle,
            ] + nio,
            swiftSettings: settings),
        .testTarget(
            name: "MusterRESTTests",
            dependencies: [
                "MusterREST", "MusterHTTP", "MusterClient", "MusterHandlers", "MusterStore", "MusterMetrics",
                "Postgres", "MusterProtocol", "TestSupport", "MusterTestSupport",
            ] + nio + hummingbird,
            swiftSettings: settings),
        .testTarget(
            name: "MusterHTTPTests",
            dependencies: [
                "MusterHTTP", "MusterListener", "MusterHandlers", "MusterMetrics", "MusterProtocol", "CZlib",
                "TestSupport", "MusterTestSupport", lifecycle,
            ] + nio + hummingbird + httpClient,
            swiftSettings: settings),
        .testTarget(
            name: "MusterListenerTests",
            dependencies: ["MusterRPC", "MusterListener", "MusterProtocol", "TestSupport", "MusterTestSupport"] + nio,
            swiftSettings: settings),
        .testTarget(
            name: "MusterClientTests",
            dependencies: [
                "MusterRPC", "MusterListener", "MusterClient", "MusterProtocol", "TestSupport", "MusterTestSupport",
                log,
            ] + nio,
            swiftSettings: settings),
        .testTarget(
            name: "MusterHandlersTests",
            dependencies: [
                "MusterRPC", "MusterClient", "MusterHandlers", "MusterStore", "MusterUsers", "Postgres", "Locking",
                "MusterProtocol", "TestSupport", "MusterTestSupport", log,
            ],
            swiftSettings: settings),
        .testTarget(
            name: "MusterStoreTests",
            dependencies: [
                "muster-server", "MusterREST", "MusterClient", "MusterHandlers", "MusterStore", "MusterUsers",
                "MusterSchema", "MusterSets", "Postgres", "MusterProtocol", "TestSupport", "MusterTestSupport", log,
            ],
            swiftSettings: settings),
        .testTarget(
            name: "MusterUsersTests", dependencies: ["MusterUsers", "MusterSets", "MusterProtocol"],
            swiftSettings: settings),
        // CRoaring is the judge of our codec here and nowhere else.
        .systemLibrary(name: "CRoaring", path: "Tests/CRoaring", providers: [.apt(["libroaring-dev"])]),
        .testTarget(
            name: "MusterSetsTests", dependencies: ["MusterSets", "TestSupport", "CRoaring"], swiftSettings: settings),
        .testTarget(name: "MusterMetricsTests", dependencies: ["MusterMetrics"], swiftSettings: settings),
        .testTarget(
            name: "PostgresTests", dependencies: ["Postgres", "Locking", "TestSupport", log], swiftSettings: settings),
        .testTarget(name: "CryptographyTests", dependencies: ["Cryptography"], swiftSettings: settings),
        .testTarget(name: "LockingTests", dependencies: ["Locking"], swiftSettings: settings),
        .testTarget(name: "ZipTests", dependencies: ["Zip", "MusterTestSupport"], swiftSettings: settings),
        .testTarget(
            name: "MusterProtocolTests", dependencies: ["MusterProtocol", "TestSupport"], swiftSettings: settings),
    ],
    cxxLanguageStandard: .cxx17
)

// scripts/fuzz sets MUSTER_FUZZ: these targets link only with the fuzzer's runtime.
if Context.environment["MUSTER_FUZZ"] != nil {
    package.targets.append(.target(name: "CFuzzer", path: "Fuzz/CFuzzer"))
    for (name, tested) in [
        ("FuzzFrames", ["MusterProtocol"]), ("FuzzSets", ["MusterSets"]),
        ("FuzzUsers", ["MusterUsers", "MusterSets", "MusterProtocol"]),
    ] as [(String, [Target.Dependency])] {
        package.products.append(.executable(name: name, targets: [name]))
        package.targets.append(
            .executableTarget(
                name: name, dependencies: ["CFuzzer"] + tested, path: "Fuzz/\(name)",
                swiftSettings: settings,
                linkerSettings: [.unsafeFlags(["-sanitize=fuzzer"])]))
    }
}

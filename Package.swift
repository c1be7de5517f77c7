// swift-tools-version: 6.2
// The layer graph of docs/architecture.md, written down once. A target imports lower layers only, never sideways.

import PackageDescription

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

/// A library target of ours with its tests beside it (`Tests/<name>`).
func library(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, exclude: ["README.md"], swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name + "Tests", dependencies: dependencies, path: "Tests/" + name, swiftSettings: strict)
}

/// Products export no symbols: nobody loads code into them, and the tables of a static standard library's names cost
/// megabytes of file and memory. Relocations are packed: two megabytes of a program's file were nothing else. The
/// toolchain's linker does that, and the loader of glibc 2.36 and later understands it.
let lean: [LinkerSetting] = [
    .unsafeFlags(
        ["-use-ld=lld", "-Xlinker", "--no-export-dynamic", "-Xlinker", "-z", "-Xlinker", "pack-relative-relocs"],
        .when(configuration: .release))
]

func system(_ name: String, pkgConfig: String, apt: String) -> Target {
    .systemLibrary(name: name, pkgConfig: pkgConfig, providers: [.apt([apt])])
}

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let asyncHTTPClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let hummingbirdCore = Target.Dependency.product(name: "HummingbirdCore", package: "hummingbird")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let mustache = Target.Dependency.product(name: "Mustache", package: "swift-mustache")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let serviceLifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

let package = Package(
    name: "martlet",
    products: [
        .executable(name: "martlet", targets: ["martlet"]),
        .executable(name: "martlet-registry", targets: ["martlet-registry"]),
        .executable(name: "martlet-agent", targets: ["martlet-agent"]),
        .executable(name: "martlet-fleetsim", targets: ["martlet-fleetsim"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: []),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        // 2.100 is the first with the fix of the header flood CVE-2026-28980.
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        // Brings swift-nio-http2 1.45 or later; 1.44.1 is the first with the fix of the smuggling CVE-2026-28898.
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/hummingbird-project/swift-mustache", from: "2.1.1"),
        // Of the registry, for webhooks.
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        // Layer 0: libraries of the system, and what the registry ships.
        system("CArchive", pkgConfig: "libarchive", apt: "libarchive-dev"),
        system("CCurl", pkgConfig: "libcurl", apt: "libcurl4-openssl-dev"),
        system("CLibcrypto", pkgConfig: "libcrypto", apt: "libssl-dev"),
        system("CSQLite", pkgConfig: "sqlite3", apt: "libsqlite3-dev"),
        system("CZstd", pkgConfig: "libzstd", apt: "libzstd-dev"),
        .target(name: "CProcess", exclude: ["README.md"]),
        .target(
            name: "RegistryAssets",
            path: "registry",
            exclude: ["README.md", "migrations", "openapi", "templates", "static"],
            sources: ["Assets.generated.swift", "RegistryAssets.swift"],
            swiftSettings: strict
        ),

        // Layer 1
        library("MartletTypes", ["CLibcrypto"]),

        // Layer 2
        library("GGUF", ["MartletTypes"]),
        library("BundleFormat", ["MartletTypes", "CArchive"]),
        library("TUF", ["MartletTypes", "CLibcrypto"]),
        library("DeviceProfiles", ["MartletTypes"]),
        library("Telemetry", ["MartletTypes", "CZstd"]),
        library("RolloutEngine", ["MartletTypes"]),
        library("RolloutPolicyFile", ["MartletTypes", yams]),

        // Layer 3
        library("Trust", ["MartletTypes", "TUF", "CLibcrypto"]),

        // Layer 4
        library(
            "MartletAPI",
            ["MartletTypes", "TUF", "DeviceProfiles", httpTypes]
        ),

        // Layer 5
        library("RegistryClient", ["MartletTypes", "MartletAPI", "TUF", "Trust", "CCurl", httpTypes]),
        library(
            "RegistryStore",
            ["MartletTypes", "Telemetry", "RolloutEngine", "Trust", "RegistryAssets", grdb]
        ),
        library("AgentStore", ["MartletTypes", "TUF", "Trust", "CSQLite"]),
        library("SystemdNotify", []),
        library(
            "ModelRuntime",
            ["MartletTypes", "BundleFormat", "Telemetry", "CProcess", nioCore, nioPosix, nioHTTP1]
        ),

        // Layer 6
        library(
            "RegistryServer",
            [
                "MartletTypes", "BundleFormat", "TUF", "Telemetry", "RolloutEngine", "Trust", "MartletAPI",
                "RegistryStore", "RegistryAssets", "SystemdNotify", hummingbird, hummingbirdCore, httpTypes, mustache,
                nioCore, nioPosix, nioHTTP1, nioSSL, logging, serviceLifecycle, unixSignals, asyncHTTPClient,
            ]
        ),
        library(
            "AgentEngine",
            [
                "MartletTypes", "GGUF", "BundleFormat", "TUF", "DeviceProfiles", "Telemetry", "Trust", "MartletAPI",
                "RegistryClient", "AgentStore", "ModelRuntime", "SystemdNotify", logging, serviceLifecycle, unixSignals,
            ]
        ),
        library("RolloutView", ["MartletTypes", "MartletAPI", "RolloutPolicyFile"]),
        library(
            "Publishing", ["MartletTypes", "GGUF", "BundleFormat", "TUF", "Trust", "MartletAPI", "RegistryClient"]),
        library(
            "FleetSimulation",
            [
                "MartletTypes", "TUF", "DeviceProfiles", "Telemetry", "Trust", "MartletAPI", "RegistryClient", nioCore,
                nioPosix, nioHTTP1, nioSSL,
            ]
        ),

        // Layer 7: thin executables.
        .executableTarget(
            name: "martlet",
            dependencies: [
                "MartletTypes", "BundleFormat", "DeviceProfiles", "TUF", "Trust", "MartletAPI", "RegistryClient",
                "Publishing", "RolloutPolicyFile", "RolloutView", argumentParser,
            ],
            exclude: ["README.md"],
            swiftSettings: strict,
            linkerSettings: lean
        ),
        .executableTarget(
            name: "martlet-registry",
            dependencies: ["MartletTypes", "RegistryServer", "SystemdNotify", argumentParser, logging],
            exclude: ["README.md"],
            swiftSettings: strict,
            linkerSettings: lean
        ),
        .executableTarget(
            name: "martlet-agent",
            dependencies: ["MartletTypes", "MartletAPI", "AgentEngine", argumentParser, logging],
            exclude: ["README.md"],
            swiftSettings: strict,
            linkerSettings: lean
        ),
        .executableTarget(
            name: "martlet-fleetsim",
            dependencies: ["MartletTypes", "Trust", "FleetSimulation", argumentParser, unixSignals, yams],
            exclude: ["README.md"],
            swiftSettings: strict,
            linkerSettings: lean
        ),

        // The client contract of the public TUF conformance suite; not a product.
        .executableTarget(
            name: "tuf-client",
            dependencies: ["MartletTypes", "TUF", "RegistryClient", argumentParser, httpTypes],
            exclude: ["README.md"],
            swiftSettings: strict
        ),

        // The load that demo, end-to-end tests and benchmarks put on gateways; not a product.
        .executableTarget(
            name: "martlet-load",
            dependencies: ["MartletTypes", "RegistryClient", argumentParser, httpTypes],
            exclude: ["README.md"],
            swiftSettings: strict
        ),

        // What the benchmark of trust needs: repositories of many releases, and one check as a device makes it.
        .executableTarget(
            name: "trust-bench",
            dependencies: ["MartletTypes", "TUF", "Trust", "RegistryClient", argumentParser],
            exclude: ["README.md"],
            swiftSettings: strict
        ),

        // What the benchmark of the rollout engine needs: the life of a rollout over many devices; not a product.
        .executableTarget(
            name: "rollout-bench",
            dependencies: ["MartletTypes", "RolloutEngine", argumentParser],
            exclude: ["README.md"],
            swiftSettings: strict
        ),

        // A tool of developers, in no product: writes the generated Swift files (`make assets`).
        .executableTarget(
            name: "embed-assets",
            dependencies: ["MartletTypes", yams],
            exclude: ["README.md"],
            swiftSettings: strict
        ),

        // Tests: one target for each library, and what looks at the whole.
        .target(name: "TestSupport", dependencies: [logging], path: "Tests/TestSupport", swiftSettings: strict),
        tests("MartletTypes", ["MartletTypes", "TestSupport"]),
        tests("GGUF", ["GGUF", "MartletTypes", "TestSupport"]),
        tests("BundleFormat", ["BundleFormat", "MartletTypes", "TestSupport"]),
        tests("TUF", ["TUF", "CLibcrypto", "MartletTypes", "TestSupport"]),
        tests("DeviceProfiles", ["DeviceProfiles", "MartletTypes", "TestSupport"]),
        tests("Telemetry", ["Telemetry", "MartletTypes", "TestSupport"]),
        tests("RolloutEngine", ["RolloutEngine", "MartletTypes", "TestSupport"]),
        tests("RolloutPolicyFile", ["RolloutPolicyFile", "MartletTypes", "TestSupport"]),
        tests("Trust", ["Trust", "TUF", "MartletTypes", "TestSupport"]),
        tests("MartletAPI", ["MartletAPI", "DeviceProfiles", "Trust", "MartletTypes", "TestSupport", httpTypes]),
        tests(
            "RegistryClient",
            ["RegistryClient", "MartletAPI", "Trust", "MartletTypes", "TestSupport", httpTypes, nioCore, nioPosix]),
        tests(
            "RegistryStore",
            [
                "RegistryStore", "BundleFormat", "TUF", "Telemetry", "RolloutEngine", "Trust", "MartletTypes",
                "TestSupport", grdb,
            ]
        ),
        tests("SystemdNotify", ["SystemdNotify", "TestSupport"]),
        tests("AgentStore", ["AgentStore", "BundleFormat", "TUF", "Trust", "MartletTypes", "TestSupport", "CSQLite"]),
        tests(
            "ModelRuntime",
            [
                "ModelRuntime", "BundleFormat", "DeviceProfiles", "GGUF", "Telemetry", "MartletTypes", "TestSupport",
                "martlet-agent",
                nioCore, nioPosix, nioHTTP1,
            ]
        ),
        tests(
            "RegistryServer",
            [
                "RegistryServer", "RegistryStore", "MartletAPI", "BundleFormat", "TUF", "Telemetry", "Trust",
                "Publishing", "RegistryClient", "MartletTypes", "SystemdNotify", "TestSupport", hummingbird, httpTypes,
                logging, yams,
            ]
        ),
        tests(
            "AgentEngine",
            [
                "AgentEngine", "AgentStore", "ModelRuntime", "RegistryClient", "MartletAPI", "BundleFormat", "TUF",
                "Telemetry", "DeviceProfiles", "Trust", "GGUF", "MartletTypes", "SystemdNotify", "TestSupport",
                logging, serviceLifecycle,
            ]
        ),
        tests(
            "Publishing",
            [
                "Publishing", "GGUF", "BundleFormat", "TUF", "Trust", "MartletAPI", "RegistryClient", "MartletTypes",
                "TestSupport",
            ]
        ),
        tests(
            "FleetSimulation",
            ["FleetSimulation", "MartletAPI", "Telemetry", "Trust", "MartletTypes", "TestSupport"]),
        tests("RolloutView", ["RolloutView", "MartletAPI", "MartletTypes", "TestSupport"]),
        .testTarget(
            name: "TidyTests",
            dependencies: ["TestSupport", "MartletTypes", "RegistryAssets", "embed-assets", yams],
            path: "Tests/Tidy",
            swiftSettings: strict
        ),
        // These two need the executables built; they are dependencies so that `swift test` builds them.
        .testTarget(
            name: "GoldenTests",
            dependencies: ["TestSupport", "martlet", "martlet-registry", "martlet-agent", "martlet-fleetsim"],
            path: "Tests/Golden",
            exclude: ["Help"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "EndToEndTests",
            dependencies: [
                "TestSupport", "MartletTypes", "DeviceProfiles", "MartletAPI", "TUF", "Trust", "RegistryClient",
                "CSQLite", "martlet", "martlet-registry", "martlet-agent", "martlet-fleetsim", "martlet-load",
                httpTypes, nioCore, nioHTTP1, nioPosix, nioSSL,
            ],
            path: "Tests/EndToEnd",
            swiftSettings: strict
        ),
    ]
)

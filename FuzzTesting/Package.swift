// swift-tools-version: 6.2
// A package of its own, so that sanitizers and their flags never touch what is shipped. The libraries under test
// are symbolic links to the real ones: their `package` interfaces are visible only inside one package.

import PackageDescription

// Both in one flag: given as two, the later one takes the coverage instrumentation away.
let sanitize = ["-sanitize=fuzzer,address"]
let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .unsafeFlags(sanitize),
]

/// A fuzzer: libFuzzer brings `main` and calls the one exported function. Build with the flags of `run.sh`.
func fuzzer(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(
        name: name, dependencies: dependencies, swiftSettings: strict + [.unsafeFlags(["-parse-as-library"])],
        linkerSettings: [.unsafeFlags(sanitize)])
}

let package = Package(
    name: "martlet-fuzzing",
    targets: [
        .systemLibrary(name: "CLibcrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CArchive", pkgConfig: "libarchive", providers: [.apt(["libarchive-dev"])]),
        .target(name: "MartletTypes", dependencies: ["CLibcrypto"], exclude: ["README.md"], swiftSettings: strict),
        .target(name: "GGUF", dependencies: ["MartletTypes"], exclude: ["README.md"], swiftSettings: strict),
        .target(
            name: "BundleFormat", dependencies: ["MartletTypes", "CArchive"], exclude: ["README.md"],
            swiftSettings: strict),
        .target(name: "fuzz-cage", dependencies: ["BundleFormat", "MartletTypes"], swiftSettings: strict),
        fuzzer("fuzz-gguf", ["GGUF", "MartletTypes"]),
        fuzzer("fuzz-gguf-canary", ["GGUF"]),
        fuzzer("fuzz-engine", ["fuzz-cage"]),
        fuzzer("fuzz-engine-canary", ["fuzz-cage"]),
    ]
)

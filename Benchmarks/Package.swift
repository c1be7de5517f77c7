// swift-tools-version: 6.2
// A package of its own, so that the products never resolve what only a benchmark needs.

import PackageDescription

let package = Package(
    name: "martlet-benchmarks",
    targets: [
        .executableTarget(name: "bench", swiftSettings: [.enableUpcomingFeature("ExistentialAny")])
    ]
)

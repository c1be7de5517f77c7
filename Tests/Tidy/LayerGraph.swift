/// Which target may import which: the table of `docs/architecture.md`.
enum LayerGraph {
    /// The layer of every target that is not a test.
    ///
    /// A target imports lower layers only, never sideways.
    static let layers: [String: Int] = [
        "CArchive": 0, "CCurl": 0, "CLibcrypto": 0, "CSQLite": 0, "CZstd": 0, "CProcess": 0, "RegistryAssets": 0,
        "MartletTypes": 1,
        "GGUF": 2, "BundleFormat": 2, "TUF": 2, "DeviceProfiles": 2, "Telemetry": 2, "RolloutEngine": 2,
        "RolloutPolicyFile": 2,
        "Trust": 3, "GGUFDelta": 3,
        "MartletAPI": 4,
        "RegistryClient": 5, "RegistryStore": 5, "AgentStore": 5, "ModelRuntime": 5, "SystemdNotify": 5,
        "RegistryServer": 6, "AgentEngine": 6, "Publishing": 6, "FleetSimulation": 6, "RolloutView": 6,
        "martlet": 7, "martlet-registry": 7, "martlet-agent": 7, "martlet-fleetsim": 7, "martlet-load": 7,
        "tuf-client": 7, "trust-bench": 7, "rollout-bench": 7, "embed-assets": 7,
    ]

    /// What stands in one target only, so that it can be replaced there.
    static let homes: [String: Set<String>] = [
        "GRDB": ["RegistryStore"],
        "Hummingbird": ["RegistryServer"],
        "HummingbirdTLS": ["RegistryServer"],
        "Mustache": ["RegistryServer"],
        "NIOSSL": ["RegistryServer", "FleetSimulation"],
        "Yams": ["RegistryServer", "RolloutPolicyFile", "martlet-fleetsim", "embed-assets"],
        "CArchive": ["BundleFormat"],
        "CCurl": ["RegistryClient"],
        "CProcess": ["ModelRuntime"],
        "CSQLite": ["AgentStore"],
    ]

    /// What each house can never reach: the agent no database of the registry and no rollout policy, the registry no
    /// runtime.
    static let walls: [String: Set<String>] = [
        "martlet-agent": [
            "RegistryStore", "RegistryServer", "RegistryAssets", "RolloutEngine", "RolloutPolicyFile", "GRDB",
            "Hummingbird",
            "Yams",
        ],
        "martlet-registry": ["ModelRuntime", "AgentStore", "AgentEngine", "CProcess", "CSQLite"],
        "martlet": ["RegistryStore", "RegistryServer", "ModelRuntime", "AgentStore", "AgentEngine", "GRDB"],
    ]

    /// Every finding in a manifest.
    static func findings(in manifest: Manifest) -> [Finding] {
        var findings: [Finding] = []
        func report(_ what: String) { findings.append(Finding(rule: "layers", what: what)) }
        for target in manifest.targets where target.type != "test" && !isTestSupport(target) {
            guard let layer = layers[target.name] else {
                report("\(target.name) is in no layer; add it to the table")
                continue
            }
            for dependency in target.dependencies {
                switch dependency {
                case .ours(let name):
                    guard let other = layers[name] else {
                        report("\(target.name) imports \(name), which is in no layer")
                        continue
                    }
                    if other >= layer {
                        report("\(target.name) (layer \(layer)) may not import \(name) (layer \(other))")
                    }
                    if let home = homes[name], !home.contains(target.name) {
                        report("\(target.name) may not import \(name)")
                    }
                case .product(let name):
                    if let home = homes[name], !home.contains(target.name) {
                        report("\(target.name) may not import \(name)")
                    }
                }
            }
        }
        for (program, forbidden) in walls.sorted(by: { $0.key < $1.key }) {
            let reached = manifest.closure(of: program).union(manifest.products(reachedBy: program))
            for name in reached.intersection(forbidden).sorted() { report("\(program) must not reach \(name)") }
        }
        return findings
    }

    /// What the sources import against what the manifest declares: nothing undeclared, nothing declared in vain.
    static func findings(imports files: [SourceFile], manifest: Manifest) -> [Finding] {
        var findings: [Finding] = []
        let ours = Dictionary(uniqueKeysWithValues: manifest.targets.map { (module($0.name), $0.name) })
        for target in manifest.targets where target.type == "regular" || target.type == "executable" {
            let own = files.filter { $0.target == target.name }
            guard !own.isEmpty else { continue }
            var declared: Set<String> = []
            for dependency in target.dependencies {
                switch dependency {
                case .ours(let name), .product(let name): declared.insert(module(name))
                }
            }
            let imported = Set(own.flatMap(\.imports))
            for name in imported.subtracting(declared).sorted() where ours[name] != nil {
                findings.append(Finding(rule: "imports", what: "\(target.name) imports \(name) without declaring it"))
            }
            for name in declared.subtracting(imported).sorted() {
                findings.append(Finding(rule: "imports", what: "\(target.name) declares \(name) and never imports it"))
            }
        }
        return findings
    }

    /// Full Foundation costs the agent 10 MB of memory and 44 MB of binary.
    static func foundationFindings(_ files: [SourceFile], manifest: Manifest) -> [Finding] {
        let linked = manifest.closure(of: "martlet-agent")
        let heavy: Set<String> = ["Foundation", "FoundationNetworking", "FoundationXML"]
        return files.filter { linked.contains($0.target ?? "") && !heavy.isDisjoint(with: $0.imports) }
            .map {
                Finding(
                    rule: "foundation",
                    what: "\($0.path) is linked by the agent; import FoundationEssentials at most"
                )
            }
    }

    private static func isTestSupport(_ target: Manifest.Target) -> Bool { target.path?.hasPrefix("Tests/") ?? false }

    /// The module that the compiler makes of a target's name.
    private static func module(_ target: String) -> String { String(target.map { $0 == "-" ? "_" : $0 }) }
}

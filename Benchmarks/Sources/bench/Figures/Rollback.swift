import Foundation

extension Figures {
    /// From the operator's command to three devices that serve the release before, with models of a megabyte.
    static var rollbackTiny: Figure {
        rollback("rollback-tiny", runs: 5) { workbench in
            ["tiny-v1.Q4_0.gguf", "tiny-lora-v1.gguf", "tiny-lora-v2.gguf"].map {
                workbench.fixture("models/tiny/" + $0)
            }
        }
    }

    /// The same with SmolLM2-135M.
    static var rollbackSmol: Figure {
        rollback("rollback-smollm2", runs: 3) { workbench in
            [workbench.model]
                + ["lora-v1.F16.gguf", "lora-v2.F16.gguf"].map { workbench.fixture("models/smollm2/" + $0) }
        }
    }

    /// `files` are a base and two adapters on it.
    private static func rollback(_ name: String, runs: Int, files: @escaping (Workbench) -> [String]) -> Figure {
        Figure(name, runs: runs, [.init(unit: "ms", goal: "< 2000")]) { workbench in
            let names = files(workbench)
            let site = try Site(workbench)
            try site.publish(names[0], as: "clinic/base:1.0.0")
            for version in 1...2 {
                try site.publish(names[version], as: "clinic/triage:\(version).0.0", adapterOf: "clinic/base:1.0.0")
            }
            let devices = try (1...3).map { try site.join("box-\($0)", group: "all") }
            try site.rollOut("clinic/triage:1.0.0", to: "all")
            return Figure.Session(
                martlet: {
                    try site.rollOut("clinic/triage:2.0.0", to: "all")
                    var answer = ""
                    let spent = try milliseconds {
                        answer = try site.martlet(
                            "rollback", "--fleet", "all", "--slot", "triage", "--reason", "benchmark", "--wait",
                            "--output", "json")
                    }
                    let object = try JSONSerialization.jsonObject(with: Data(answer.utf8)) as? [String: Any]
                    guard (object?["moves"] as? [Any])?.count == 3 else {
                        throw BenchError("not three devices went back: \(answer)")
                    }
                    // The next run would otherwise begin while this one's release is still on trial.
                    for device in devices { try site.waitUntilSettled(device) }
                    return ["": spent]
                }, end: site.end)
        }
    }
}

import Foundation

extension Figures {
    /// Hot swap between two models of a megabyte.
    static var hotSwapTiny: Figure {
        hotSwap("hot-swap-tiny", eval: "eval/tiny-eval-seen-42.jsonl", steadySeconds: 3) { workbench in
            ["tiny-v1.Q4_0.gguf", "tiny-v2.Q4_0.gguf"].map { [workbench.fixture("models/tiny/" + $0)] }
        }
    }

    /// Hot swap between two adapters on SmolLM2-135M.
    static var hotSwapSmol: Figure {
        hotSwap("hot-swap-smollm2", eval: "eval/triage-holdout-60.jsonl", steadySeconds: 8) { workbench in
            ["lora-v1.F16.gguf", "lora-v2.F16.gguf"].map {
                [workbench.model, workbench.fixture("models/smollm2/" + $0)]
            }
        }
    }

    /// Two generations, each a model or a model and an adapter; each run goes to the one that does not serve.
    private static func hotSwap(
        _ name: String, eval: String, steadySeconds: Double, generations: @escaping (Workbench) -> [[String]]
    ) -> Figure {
        let peer = "restarting a bare llama-server"
        let columns: [Figure.Column] = [
            .init("failed", unit: "requests", goal: "0", peer: peer),
            .init("steady-p50", unit: "ms", peer: peer), .init("steady-p99", unit: "ms", peer: peer),
            // Times of successful requests: what the peer refused while it was down stands under `failed` alone.
            .init("swap-p50", unit: "ms", peer: peer), .init("swap-p99", unit: "ms", peer: peer),
            .init("longest-wait", unit: "ms", peer: peer + ": from SIGTERM to ready"),
        ]
        return Figure(name, runs: 3, columns) { workbench in
            let files = generations(workbench)
            let site = try Site(workbench)
            if files[0].count > 1 { try site.publish(files[0][0], as: "clinic/base:1.0.0") }
            for (index, generation) in files.enumerated() {
                try site.publish(
                    generation[generation.count - 1], as: "clinic/triage:\(index + 1).0.0",
                    adapterOf: generation.count > 1 ? "clinic/base:1.0.0" : nil)
            }
            let device = try site.join("box", group: "all")
            try site.rollOut("clinic/triage:1.0.0", to: "all")
            let bare = try BareEngine(like: device, workbench)
            let load = Load(workbench: workbench, eval: workbench.fixture(eval))
            var (own, other) = (0, 0)
            return Figure.Session(
                martlet: {
                    own = 1 - own
                    let target = "clinic/triage:\(own + 1).0.0"
                    let (values, longest) = try swap(load, at: device.gateway, steadySeconds) {
                        try site.rollOut(target, to: "all")
                    }
                    return values.merging(["longest-wait": longest]) { $1 }
                },
                peer: {
                    // Not beside Martlet's turn: two engines would share the processors.
                    try bare.start(files[other])
                    defer { bare.stop() }
                    other = 1 - other
                    var down = 0.0
                    let (values, _) = try swap(load, at: bare.address, steadySeconds) {
                        down = try milliseconds {
                            bare.stop()
                            try bare.start(files[other])
                        }
                    }
                    return values.merging(["longest-wait": down]) { $1 }
                },
                end: {
                    bare.stop()
                    site.end()
                })
        }
    }

    /// The load before, and the load while `change` happens; with it the longest request of the latter.
    private static func swap(_ load: Load, at address: String, _ seconds: Double, change: () throws -> Void) throws
        -> (values: [String: Double], longest: Double)
    {
        let steady = try load.run(at: address, seconds: seconds)
        guard steady.failed == 0 else { throw BenchError("failed in steady state: \(steady.failures)") }
        let across = try load.run(at: address, during: change)
        complain("  \(across.sent) requests sent across the swap, \(across.failed) failed")
        let values = [
            "failed": Double(across.failed), "steady-p50": steady.p50Milliseconds,
            "steady-p99": steady.p99Milliseconds, "swap-p50": across.p50Milliseconds,
            "swap-p99": across.p99Milliseconds,
        ]
        return (values, across.maxMilliseconds)
    }
}

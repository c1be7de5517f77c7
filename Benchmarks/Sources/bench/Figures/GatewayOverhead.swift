import Foundation

extension Figures {
    /// What the way through the gateway costs, with a model that answers almost at once.
    static var gatewayOverhead: Figure {
        let peer = "the same llama-server asked directly"
        let columns: [Figure.Column] = [
            .init("rate", unit: "requests/s", peer: peer), .init("p50", unit: "ms", peer: peer),
        ]
        return Figure("gateway-overhead", runs: 5, columns) { workbench in
            let model = workbench.fixture("models/tiny/tiny-v1.Q4_0.gguf")
            let site = try Site(workbench)
            try site.publish(model, as: "clinic/base:1.0.0")
            let device = try site.join("box", group: "all")
            try site.rollOut("clinic/base:1.0.0", to: "all")
            let bare = try BareEngine(like: device, workbench)
            try bare.start([model])
            return Figure.Session(
                martlet: { try overhead(at: device.gateway, workbench) },
                peer: { try overhead(at: bare.address, workbench) },
                end: {
                    bare.stop()
                    site.end()
                })
        }
    }

    /// Requests in each second with four callers, and the time of one request with a single caller.
    private static func overhead(at address: String, _ workbench: Workbench) throws -> [String: Double] {
        var load = Load(workbench: workbench, eval: workbench.fixture("eval/tiny-eval-seen-42.jsonl"))
        (load.restMilliseconds, load.streamEvery, load.maxTokens) = (0, 0, 1)
        load.workers = 4
        let many = try load.run(at: address, seconds: 3)
        load.workers = 1
        let alone = try load.run(at: address, seconds: 2)
        for figures in [many, alone] where figures.failed > 0 { throw BenchError("failed: \(figures.failures)") }
        return ["rate": Double(many.sent) / 3, "p50": alone.p50Milliseconds]
    }
}

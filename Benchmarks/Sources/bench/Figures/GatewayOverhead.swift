import Foundation

extension Figures {
    /// What the way through the gateway costs, with a model that answers almost at once.
    static var gatewayOverhead: Figure {
        let peer = "the same llama-server asked directly"
        let columns: [Figure.Column] = [
            .init("rate", unit: "requests/s", peer: peer), .init("p50", unit: "ms", peer: peer),
            .init("cpu", unit: "µs/request", peer: peer),
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
                martlet: { try overhead(at: device.gateway, of: device.agent.pid, workbench) },
                peer: { try overhead(at: bare.address, of: try bare.pid, workbench) },
                end: {
                    bare.stop()
                    site.end()
                })
        }
    }

    /// Requests in each second with four callers, and the time of one request with a single caller; for all of them
    /// the processor time of a process and its children, which other programs at work change least.
    private static func overhead(
        at address: String, of pid: Int32, _ workbench: Workbench
    ) throws -> [String: Double] {
        let before = try processorSeconds(pid)
        var load = Load(workbench: workbench, eval: workbench.fixture("eval/tiny-eval-seen-42.jsonl"))
        (load.restMilliseconds, load.streamEvery, load.maxTokens) = (0, 0, 1)
        load.workers = 4
        let many = try load.run(at: address, seconds: 3)
        load.workers = 1
        let alone = try load.run(at: address, seconds: 2)
        for figures in [many, alone] where figures.failed > 0 { throw BenchError("failed: \(figures.failures)") }
        let seconds = try processorSeconds(pid) - before
        return [
            "rate": Double(many.sent) / 3, "p50": alone.p50Milliseconds,
            "cpu": seconds / Double(many.sent + alone.sent) * 1_000_000,
        ]
    }

    /// What a process and those that it started and that still run have used of processors.
    private static func processorSeconds(_ pid: Int32) throws -> Double {
        let stat = try String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
        // After the name in brackets, which may hold spaces: state is the first, utime the 12th, stime the 13th.
        let fields = stat[(stat.lastIndex(of: ")") ?? stat.startIndex)...].split(separator: " ").dropFirst()
        let ticks = fields.dropFirst(11).prefix(2).compactMap { Double($0) }.reduce(0, +)
        let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")) ?? []
        let children = tasks.flatMap { task in
            (try? String(contentsOfFile: "/proc/\(pid)/task/\(task)/children", encoding: .utf8))?
                .split(separator: " ").compactMap { Int32($0) } ?? []
        }
        return try ticks / Double(sysconf(Int32(_SC_CLK_TCK))) + children.reduce(0) { try $0 + processorSeconds($1) }
    }
}

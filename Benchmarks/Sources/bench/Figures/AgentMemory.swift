import Foundation

extension Figures {
    /// Memory of an idle agent (its own process, without engines), with no slot and with one that serves.
    static var agentMemory: Figure {
        let columns: [Figure.Column] = [
            .init("pss-no-slot", unit: "MB", goal: "<= 13"), .init("rss-no-slot", unit: "MB"),
            .init("pss-one-slot", unit: "MB", goal: "<= 13"), .init("rss-one-slot", unit: "MB"),
        ]
        return Figure("agent-memory", runs: 3, columns) { workbench in
            let site = try Site(workbench)
            try site.publish(workbench.fixture("models/tiny/tiny-v1.Q4_0.gguf"), as: "clinic/base:1.0.0")
            var run = 0
            return Figure.Session(
                martlet: {
                    run += 1
                    // One agent at a time: two would share their code and halve each other's PSS.
                    let device = try site.join("box-\(run)", group: "run-\(run)")
                    defer { device.agent.stop() }
                    var values = try memory(of: device, "no-slot")
                    try site.rollOut("clinic/base:1.0.0", to: "run-\(run)")
                    values.merge(try memory(of: device, "one-slot")) { $1 }
                    return values
                }, end: site.end)
        }
    }

    /// Reads what the kernel counts once the agent has come to rest.
    private static func memory(of device: Site.Device, _ state: String) throws -> [String: Double] {
        sleep(4)
        let text = try String(contentsOfFile: "/proc/\(device.agent.pid)/smaps_rollup", encoding: .utf8)
        func megabytes(_ field: String) throws -> Double {
            let line = text.split(separator: "\n").first { $0.hasPrefix(field + ":") }
            guard let kibibytes = line?.split(separator: " ").dropFirst().first.flatMap({ Double($0) }) else {
                throw BenchError("smaps_rollup has no \(field)")
            }
            return kibibytes * 1024 / 1_000_000
        }
        return ["pss-" + state: try megabytes("Pss"), "rss-" + state: try megabytes("Rss")]
    }
}

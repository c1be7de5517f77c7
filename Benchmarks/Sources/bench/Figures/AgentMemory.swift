import Foundation

extension Figures {
    /// Memory of an idle agent (its own process, without engines), with no slot, one that serves, and five.
    static var agentMemory: Figure {
        let columns: [Figure.Column] = [
            .init("pss-no-slot", unit: "MB", goal: "<= 13"), .init("rss-no-slot", unit: "MB"),
            .init("pss-one-slot", unit: "MB", goal: "<= 13"), .init("rss-one-slot", unit: "MB"),
            .init("mean-pss-one-slot", unit: "MB"),
            .init("pss-five-slots", unit: "MB", goal: "<= 13"), .init("rss-five-slots", unit: "MB"),
            .init("mean-pss-five-slots", unit: "MB", goal: "<= 13"),
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
                    for slot in 2...5 {
                        try site.rollOut("clinic/base:1.0.0", to: "run-\(run)", slot: "slot-\(slot)")
                    }
                    values.merge(try memory(of: device, "five-slots")) { $1 }
                    return values
                }, end: site.end)
        }
    }

    /// What the kernel counts once the agent has come to rest: it does what an idle agent does, measurements sent and
    /// the registry's parked call renewed among it, and has not moved by a page for some time.
    private static func memory(of device: Site.Device, _ state: String) throws -> [String: Double] {
        let begin = Date()
        var last = try Usage(device)
        var unmoved = Date()
        var samples: [Double] = []
        try wait(for: "the memory of \(device.name) to come to rest", within: 300) {
            let now = try Usage(device)
            samples.append(now.pss)
            // Its share of the libraries' pages moves with whoever else uses them.
            if now.rss != last.rss { unmoved = Date() }
            last = now
            let rested = unmoved.timeIntervalSinceNow < -restSeconds
            usleep(500_000)
            return rested && begin.timeIntervalSinceNow < -idleSeconds
        }
        // From measurement to measurement it takes more for some seconds: what its work brings in is let go of after
        // it.
        let lastMinute = samples.suffix(120)
        let mean = lastMinute.reduce(0, +) / Double(max(lastMinute.count, 1))
        return ["pss-" + state: last.pss, "rss-" + state: last.rss, "mean-pss-" + state: mean]
    }

    /// Longer than the minute between two measurements and the 55 seconds of a parked call: both have happened, and
    /// what they brought into memory counts.
    private static let idleSeconds = 70.0
    /// Longer than the agent waits before it lets go of what its work needed.
    private static let restSeconds = 10.0

    /// Megabytes of a process as the kernel counts them.
    private struct Usage {
        let pss: Double
        let rss: Double

        init(_ device: Site.Device) throws {
            let text = try String(contentsOfFile: "/proc/\(device.agent.pid)/smaps_rollup", encoding: .utf8)
            func megabytes(_ field: String) throws -> Double {
                let line = text.split(separator: "\n").first { $0.hasPrefix(field + ":") }
                guard let kibibytes = line?.split(separator: " ").dropFirst().first.flatMap({ Double($0) }) else {
                    throw BenchError("smaps_rollup has no \(field)")
                }
                return kibibytes * 1024 / 1_000_000
            }
            (pss, rss) = (try megabytes("Pss"), try megabytes("Rss"))
        }
    }
}

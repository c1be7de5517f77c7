import Foundation

extension Figures {
    /// What an idle agent costs besides memory: processor time, wakeups and writes, with one slot that serves, over a
    /// stretch in which it does what an idle agent does.
    static var agentIdle: Figure {
        let columns: [Figure.Column] = [
            .init("cpu", unit: "s per idle hour"), .init("wakeups", unit: "per second"),
            .init("written", unit: "MB per idle day"),
        ]
        return Figure("agent-idle", runs: 3, columns) { workbench in
            let site = try Site(workbench)
            try site.publish(workbench.fixture("models/tiny/tiny-v1.Q4_0.gguf"), as: "clinic/base:1.0.0")
            let device = try site.join("box", group: "all")
            try site.rollOut("clinic/base:1.0.0", to: "all")
            // The start and the installation are over, and what they needed is let go of.
            Thread.sleep(forTimeInterval: 30)
            return Figure.Session(
                martlet: {
                    let before = try Activity(device.agent.pid)
                    let begin = Date()
                    Thread.sleep(forTimeInterval: idleSeconds)
                    let after = try Activity(device.agent.pid)
                    let seconds = Date().timeIntervalSince(begin)
                    return [
                        "cpu": (after.cpuSeconds - before.cpuSeconds) / seconds * 3600,
                        "wakeups": (after.switches - before.switches) / seconds,
                        "written": (after.writtenBytes - before.writtenBytes) / seconds * 86_400 / 1_000_000,
                    ]
                }, end: site.end)
        }
    }

    /// From the start of the agent's process until its slot answers a request, as on a box that was switched on: with
    /// every file in the page cache, and with none (`cold`, which only root can measure).
    static var agentStart: Figure {
        let columns: [Figure.Column] = [
            .init("warm", unit: "ms"), .init("cold", unit: "ms"), .init("listening", unit: "ms"),
        ]
        return Figure("agent-start", runs: 5, columns) { workbench in
            let site = try Site(workbench)
            try site.publish(workbench.fixture("models/tiny/tiny-v1.Q4_0.gguf"), as: "clinic/base:1.0.0")
            let device = try site.join("box", group: "all")
            try site.rollOut("clinic/base:1.0.0", to: "all")
            device.agent.stop()
            return Figure.Session(
                martlet: {
                    let warm = try start(of: device, at: site)
                    sync()
                    try "3".write(toFile: "/proc/sys/vm/drop_caches", atomically: false, encoding: .utf8)
                    let cold = try start(of: device, at: site)
                    return ["warm": warm.serving, "cold": cold.serving, "listening": warm.listening]
                }, end: site.end)
        }
    }

    /// Milliseconds until the gateway listens, and until its slot has answered; then the agent is ended.
    private static func start(of device: Site.Device, at site: Site) throws -> (listening: Double, serving: Double) {
        let addresses = device.data.appendingPathComponent("run/addresses.json")
        try? FileManager.default.removeItem(at: addresses)
        let begin = Date()
        let agent = try site.start(device.name)
        defer { agent.stop() }
        var listening: Double?
        try wait(for: "the agent serves", within: 60, every: 1000) {
            guard let data = FileManager.default.contents(atPath: addresses.path),
                let gateway = try? JSONDecoder().decode([String: String].self, from: data)["gateway"]
            else { return false }
            listening = listening ?? Date().timeIntervalSince(begin) * 1000
            return answers("http://\(gateway)")
        }
        return (listening ?? 0, Date().timeIntervalSince(begin) * 1000)
    }

    /// Longer than two measurements and two parked calls.
    private static let idleSeconds = 180.0

    /// Whether the slot answers one request now. A request waits at the gateway until the slot serves.
    private static func answers(_ gateway: String) -> Bool {
        let script =
            #"curl -sf -m 30 -o /dev/null "$1/v1/chat/completions" -H 'Content-Type: application/json' -d "$2""#
        let body = #"{"model": "triage", "messages": [{"role": "user", "content": "a"}], "max_tokens": 1}"#
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", script, "sh", gateway, body]
        do {
            try process.run()
            process.waitUntilExit()
            return process.terminationStatus == 0
        } catch {
            return false
        }
    }
}

/// What the kernel counted for a process so far.
private struct Activity {
    let cpuSeconds: Double
    /// Times that any of its threads was woken or put aside.
    let switches: Double
    /// Bytes that it caused to be sent to the disk.
    let writtenBytes: Double

    init(_ pid: Int32) throws {
        let stat = try String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
        // After the name in brackets, which may hold spaces: state is the first, utime the 12th, stime the 13th.
        let fields = stat[(stat.lastIndex(of: ")") ?? stat.startIndex)...].split(separator: " ").dropFirst()
        let ticks = fields.dropFirst(11).prefix(2).compactMap { Double($0) }
        guard ticks.count == 2 else { throw BenchError("/proc/\(pid)/stat has no times") }
        cpuSeconds = (ticks[0] + ticks[1]) / Double(sysconf(Int32(_SC_CLK_TCK)))
        var switches = 0.0
        for thread in try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task") {
            guard let text = try? String(contentsOfFile: "/proc/\(pid)/task/\(thread)/status", encoding: .utf8) else {
                continue
            }
            switches += text.split(separator: "\n").filter { $0.contains("ctxt_switches:") }
                .compactMap { $0.split(separator: "\t").last.flatMap { Double($0) } }.reduce(0, +)
        }
        self.switches = switches
        let io = try String(contentsOfFile: "/proc/\(pid)/io", encoding: .utf8)
        guard let line = io.split(separator: "\n").first(where: { $0.hasPrefix("write_bytes:") }),
            let bytes = line.split(separator: " ").last.flatMap({ Double($0) })
        else { throw BenchError("/proc/\(pid)/io has no write_bytes") }
        writtenBytes = bytes
    }
}

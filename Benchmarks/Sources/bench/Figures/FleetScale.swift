import Foundation

/// One registry process with thousands of simulated devices on the same machine.
extension Figures {
    /// As many devices as `MARTLET_BENCH_DEVICES` says, 10,000 without it: smaller ones are for trying.
    static var fleetDevices: Int {
        ProcessInfo.processInfo.environment["MARTLET_BENCH_DEVICES"].flatMap { Int($0) } ?? 10_000
    }

    /// From the start of `martlet rollout start` until the last device has its signed assignment, the same for
    /// `martlet rollback`, and what the registry needs for devices that only wait.
    static var fleet: Figure {
        let devices = fleetDevices
        let columns = [
            Figure.Column("rollout-last", unit: "ms"), Figure.Column("rollout-median", unit: "ms"),
            Figure.Column("rollback-last", unit: "ms"), Figure.Column("rollback-median", unit: "ms"),
            Figure.Column("idle-polls", unit: "polls/s"), Figure.Column("idle-cpu", unit: "% of a core"),
            Figure.Column("idle-rss", unit: "MB"), Figure.Column("idle-pss", unit: "MB"),
            Figure.Column("peak-rss", unit: "MB"),
        ]
        return Figure("fleet-\(devices)", runs: 3, columns) { workbench in
            let site = try Site(workbench)
            for version in ["1.0.0", "2.0.0"] {
                try site.publish(
                    workbench.fixture("models/tiny/tiny-v1.Q4_0.gguf"), as: "clinic/triage:" + version)
            }
            let fleet = try SimulatedFleet(site, devices: devices)
            // What the rollback goes back to.
            _ = try fleet.change { try site.start("clinic/triage:1.0.0") }
            return Figure.Session(
                martlet: {
                    var values = try fleet.idle()
                    let rollout = try fleet.change { try site.start("clinic/triage:2.0.0") }
                    let rollback = try fleet.change { try site.martlet("rollback", "--fleet", "fleet") }
                    values["rollout-last"] = rollout.last
                    values["rollout-median"] = rollout.median
                    values["rollback-last"] = rollback.last
                    values["rollback-median"] = rollback.median
                    values["peak-rss"] = try site.registryMemory("VmHWM", of: "status")
                    return values
                },
                end: {
                    fleet.end()
                    site.end()
                })
        }
    }
}

extension Site {
    /// All at once: no wave holds anyone back, so that the time is the registry's own.
    fileprivate func start(_ reference: String) throws {
        try martlet(
            "rollout", "start", reference, "--fleet", "fleet", "--slot", "triage", "--soak", "1s", "--max-failures",
            "1000000")
    }

    /// Megabytes of the registry's process by a field of a file of `/proc`.
    fileprivate func registryMemory(_ field: String, of file: String = "smaps_rollup") throws -> Double {
        let text = try String(contentsOfFile: "/proc/\(registryPID)/\(file)", encoding: .utf8)
        let line = text.split(separator: "\n").first { $0.hasPrefix(field + ":") }
        guard let words = line?.split(whereSeparator: \.isWhitespace), words.count > 1, let kibibytes = Double(words[1])
        else { throw BenchError("\(file) has no \(field)") }
        return kibibytes * 1024 / 1_000_000
    }

    /// Seconds of processor time that the registry has used.
    fileprivate func registryCPU() throws -> Double {
        let text = try String(contentsOfFile: "/proc/\(registryPID)/stat", encoding: .utf8)
        // What stands in parentheses may hold spaces.
        let fields = text.drop { $0 != ")" }.split(separator: " ")
        guard fields.count > 12, let user = Double(fields[12]), let system = Double(fields[13]) else {
            throw BenchError("stat of the registry cannot be read")
        }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }
}

/// `martlet-fleetsim`, seen through its log of events.
private final class SimulatedFleet {
    /// Milliseconds from the start of a command to the devices' assignments.
    struct Reach {
        let median: Double
        let last: Double
    }

    private struct Event: Decodable {
        let time: Double
        let event: String
        let device: String
    }

    private let site: Site
    private let devices: Int
    private let process: Background
    private let events: FileHandle
    private var rest: [UInt8] = []

    /// Enrols the fleet and waits until all of it is here.
    init(_ site: Site, devices: Int) throws {
        self.site = site
        self.devices = devices
        let folder = site.workbench.folder
        let (join, log) = (folder.appendingPathComponent("fleet.join"), folder.appendingPathComponent("events"))
        try site.martlet("fleets", "set", "fleet", "--selector", "")
        try site.martlet("token", "join", "--uses", String(devices), "--valid", "24h")
            .write(to: join, atomically: true, encoding: .utf8)
        let profile = folder.appendingPathComponent("fleet.yaml")
        // Small and quick, but not all at one moment; exports once a minute, as agents do.
        try """
        releaseMegabytes: 20
        linkMegabits: {uniform: [20, 100]}
        installation: {verify: {uniform: [1, 4]}, probe: {uniform: [2, 20]}}
        """.write(to: profile, atomically: true, encoding: .utf8)
        process = try Background(
            site.workbench.program("martlet-fleetsim"),
            [
                "run", "--join-file", join.path, "--devices", String(devices), "--profile", profile.path, "--events",
                log.path,
            ], name: "fleet", in: folder)
        try wait(for: "the log of events", within: 60) { FileManager.default.fileExists(atPath: log.path) }
        events = try FileHandle(forReadingFrom: log)
        let begin = Date()
        _ = try collect(["enrolled"], within: 1800)
        complain("  \(devices) devices enrolled in \(short(Date().timeIntervalSince(begin))) s")
    }

    func end() { process.stop(grace: 30) }

    /// What the registry does and needs while every device waits.
    func idle() throws -> [String: Double] {
        // Long enough for each to poll and export once.
        sleep(60)
        let (cpu, polls, begin) = (try site.registryCPU(), try polls(), Date())
        sleep(60)
        let seconds = Date().timeIntervalSince(begin)
        return [
            "idle-cpu": (try site.registryCPU() - cpu) / seconds * 100,
            "idle-polls": (try self.polls() - polls) / seconds,
            "idle-rss": try site.registryMemory("Rss"), "idle-pss": try site.registryMemory("Pss"),
        ]
    }

    /// Polls that the registry has answered, by its own metrics.
    private func polls() throws -> Double {
        let text = try site.workbench.run(["curl", "-sS", "http://\(site.operatorAddress)/metrics"])
        return text.split(separator: "\n")
            .filter { $0.contains("requests_total") && $0.contains("/device/v1/assignment") }
            .compactMap { $0.split(separator: " ").last.flatMap { Double($0) } }.reduce(0, +)
    }

    /// Runs a command that moves every device; returns when all have done it.
    func change(_ command: () throws -> Void) throws -> Reach {
        let start = Date().timeIntervalSince1970 * 1000
        try command()
        let times = try collect(["assignment", "outcome"], within: 1800)
        let seen = (times["assignment"] ?? [:]).values.map { $0 - start }
        return Reach(median: median(seen), last: seen.max() ?? 0)
    }

    /// Reads events until every device had each of these once; their times by device.
    private func collect(_ kinds: Set<String>, within seconds: Double) throws -> [String: [String: Double]] {
        var times: [String: [String: Double]] = [:]
        let decoder = JSONDecoder()
        try wait(for: "\(kinds.sorted()) of \(devices) devices", within: seconds) {
            guard process.isRunning else { throw BenchError("the fleet ended: \(process.output.suffix(1000))") }
            var lines = (rest + [UInt8](try events.readToEnd() ?? Data())).split(
                separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            // The last may not be whole yet.
            rest = lines.popLast().map { Array($0) } ?? []
            for line in lines {
                let event = try decoder.decode(Event.self, from: Data(line))
                if kinds.contains(event.event), times[event.event]?[event.device] == nil {
                    times[event.event, default: [:]][event.device] = event.time
                }
            }
            return kinds.allSatisfy { times[$0]?.count == devices }
        }
        return times
    }
}

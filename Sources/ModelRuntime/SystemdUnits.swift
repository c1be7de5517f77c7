internal import Glibc
internal import MartletTypes

/// The units of engines, spoken to through `systemctl`, which asks systemd over its bus; a rule of polkit lets the
/// agent's user do so for these units alone.
package struct SystemdUnits: Sendable {
    /// What systemd says of a unit.
    struct State: Sendable, Hashable {
        /// The main process; 0 where none runs.
        var pid: Int32
        /// `active`, `inactive`, `failed`, …
        var active: String
        /// The control group, below the mount of control groups.
        var group: String
        /// How the main process ended; nil where none did, or where systemd forgot.
        var end: EngineExit.Reason?
        /// Whether the kernel ended it for its memory.
        var isOutOfMemory = false
    }

    /// The program and the arguments that come first.
    private let command: [String]
    private let environment: [String]

    /// `command` is what speaks to systemd, an absolute path first.
    package init(command: [String] = ["/usr/bin/systemctl", "--no-ask-password"], environment: [String] = []) {
        self.command = command
        self.environment = environment
    }

    /// Whether this machine was started by systemd (sd_booted(3)).
    package static var isBooted: Bool { access("/run/systemd/system", F_OK) == 0 }

    func start(_ unit: String) async throws(RuntimeError) { try await ask(["start", unit]) }

    func kill(_ unit: String, _ signal: Int32) async throws(RuntimeError) {
        try await ask(["kill", "--signal=\(signal)", unit])
    }

    /// Lets systemd forget a unit that failed.
    func forget(_ unit: String) async throws(RuntimeError) { try await ask(["reset-failed", unit]) }

    func stop(_ unit: String) async throws(RuntimeError) { try await ask(["stop", unit]) }

    /// Sets limits of a unit until it ends.
    func limit(_ unit: String, _ limits: EngineLimits) async throws(RuntimeError) {
        var properties: [String] = []
        if let memory = limits.memory {
            properties += ["MemoryHigh=\(memory.bytes / 16 * 15)", "MemoryMax=\(memory.bytes)"]
        }
        if let percent = limits.cpuPercent { properties.append("CPUQuota=\(percent)%") }
        guard !properties.isEmpty else { return }
        try await ask(["set-property", "--runtime", unit] + properties)
    }

    func state(_ unit: String) async throws(RuntimeError) -> State {
        let names = "MainPID,ActiveState,ControlGroup,ExecMainCode,ExecMainStatus,Result"
        return State(text: try await ask(["show", "--property=\(names)", unit]))
    }

    /// All units of engines that systemd knows.
    func all() async throws(RuntimeError) -> [String] {
        let text = try await ask([
            "list-units", "--all", "--plain", "--no-legend", "--type=service", UnitName.prefix + "*",
        ])
        return text.split(separator: "\n").compactMap { line in
            let name = line.split(separator: " ").first.map(String.init)
            return name.flatMap { $0.hasPrefix(UnitName.prefix) ? $0 : nil }
        }
    }

    /// Whether a service is about to be ended for good, not started again: its job says so while it stops.
    func isStoppedForGood(_ unit: String) async -> Bool {
        do throws(RuntimeError) {
            let jobs = try await ask(["list-jobs", "--plain", "--no-legend", unit])
            let words = jobs.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
            return words.contains { $0.count >= 3 && $0[1] == unit && $0[2] == "stop" }
        } catch {
            return false
        }
    }

    @discardableResult
    private func ask(_ arguments: [String]) async throws(RuntimeError) -> String {
        guard let thread = ProcessThread.shared else { throw EngineBinary.noThread }
        let plan = ChildPlan(
            path: command[0], arguments: command + arguments, environment: environment + ["LC_ALL=C.UTF-8"])
        let answer = try await OutputCollector.collect(plan, on: thread)
        guard answer.end == .exited(0) else {
            let said = answer.text.split(separator: "\n").first.map(String.init) ?? "it said nothing"
            throw RuntimeError(
                .engineNotStarted, "systemctl \(arguments[0]) failed: \(said)",
                remedy: "Install polkitd and the agent's package, or set engine.launcher to fork.")
        }
        return answer.text
    }
}

extension SystemdUnits.State {
    /// Reads the lines of `systemctl show`.
    init(text: String) {
        var values: [Substring: Substring] = [:]
        for line in text.split(separator: "\n") {
            guard let sign = line.firstIndex(of: "=") else { continue }
            values[line[..<sign]] = line[line.index(after: sign)...]
        }
        pid = values["MainPID"].flatMap { Int32($0) } ?? 0
        active = values["ActiveState"].map(String.init) ?? ""
        group = values["ControlGroup"].map(String.init) ?? ""
        isOutOfMemory = values["Result"] == "oom-kill"
        // siginfo's codes: 1 exited, 2 ended by a signal, 3 the same with a core.
        let status = values["ExecMainStatus"].flatMap { Int32($0) } ?? 0
        switch values["ExecMainCode"] {
        case "1": end = .exited(status)
        case "2", "3": end = .signalled(status)
        default: end = nil
        }
    }
}

/// Names of the units of engines.
enum UnitName {
    static let prefix = "martlet-runtime@"

    /// The unit for an engine's folder: its path below the folder of all engines, escaped as systemd-escape(1) does it.
    static func of(_ path: String) -> String {
        var text = ""
        for (index, byte) in path.utf8.enumerated() {
            switch byte {
            case UInt8(ascii: "/"): text += "-"
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "_"), UInt8(ascii: ":"):
                text.unicodeScalars.append(Unicode.Scalar(byte))
            case UInt8(ascii: ".") where index > 0: text += "."
            default: text += "\\x" + Hex.encode([byte])
            }
        }
        return prefix + text + ".service"
    }
}

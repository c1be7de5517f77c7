import Foundation

/// A registry, an operator and devices: the built programs in one folder, on ports that the system chooses.
final class Site {
    /// An enrolled device whose agent runs.
    struct Device {
        let name: String
        let data: URL
        let agent: Background
        /// `http://127.0.0.1:PORT`.
        let gateway: String
    }

    let workbench: Workbench
    private let registry: Background
    private var agents: [Background] = []
    /// `127.0.0.1:PORT` of the listeners.
    let operatorAddress: String
    let deviceAddress: String

    private var folder: URL { workbench.folder }
    var token: URL { folder.appendingPathComponent("admin.token") }
    private var environment: [String: String] {
        ["CONFIG", "CACHE", "DATA"].reduce(into: ["NO_COLOR": "1"]) { variables, kind in
            variables["XDG_\(kind)_HOME"] = folder.appendingPathComponent("operator/" + kind).path
        }
    }

    /// Starts the registry and makes the owner's keys.
    init(_ workbench: Workbench) throws {
        self.workbench = workbench
        let data = workbench.folder.appendingPathComponent("registry")
        registry = try Background(
            workbench.program("martlet-registry"),
            [
                "serve", "--data", data.path, "--operator-address", "127.0.0.1:0", "--device-address", "127.0.0.1:0",
                "--admin-token-file", workbench.folder.appendingPathComponent("admin.token").path,
            ], name: "registry", in: workbench.folder)
        let addresses = try Self.addresses(data, of: registry)
        (operatorAddress, deviceAddress) = (addresses["operator"] ?? "", addresses["device"] ?? "")
        try martlet("login", "http://" + operatorAddress, "--token-file", token.path)
        try martlet(
            "trust", "init", "--namespace", "clinic", "--keys", folder.appendingPathComponent("keys").path,
            "--no-passphrase")
    }

    var registryPID: Int32 { registry.pid }

    /// Ends agents and registry.
    func end() {
        for agent in agents { agent.stop() }
        registry.stop()
        try? FileManager.default.removeItem(at: folder)
    }

    /// Runs `martlet` and returns what it printed.
    @discardableResult
    func martlet(_ arguments: String...) throws -> String {
        try workbench.run([workbench.program("martlet")] + arguments, environment: environment)
    }

    /// Enrols a device with the label `group=GROUP`, of which the fleet GROUP consists, and starts its agent.
    func join(_ name: String, group: String) throws -> Device {
        try martlet("fleets", "set", group, "--selector", "group=" + group)
        let join = folder.appendingPathComponent(name + ".join")
        try martlet("token", "join", "--uses", "1", "--valid", "1h").write(to: join, atomically: true, encoding: .utf8)
        let configuration = folder.appendingPathComponent(name + ".json")
        try #"{"policy": {"otherSlots": ["clinic/*"]}, "engine": {"threads": 1}}"#
            .write(to: configuration, atomically: true, encoding: .utf8)
        let data = folder.appendingPathComponent(name)
        _ = try workbench.run([
            workbench.program("martlet-agent"), "enrol", "--join-file", join.path, "--name", name, "--label",
            "group=" + group, "--data", data.path, "--config", configuration.path,
        ])
        let agent = try start(name)
        let gateway = try Self.addresses(data, of: agent)["gateway"] ?? ""
        return Device(name: name, data: data, agent: agent, gateway: "http://" + gateway)
    }

    /// Starts the agent of an enrolled device.
    func start(_ name: String) throws -> Background {
        let agent = try Background(
            workbench.program("martlet-agent"),
            [
                "run", "--data", folder.appendingPathComponent(name).path, "--gateway", "127.0.0.1:0", "--config",
                folder.appendingPathComponent(name + ".json").path, "--llama-server", workbench.llamaServer,
            ], name: name, in: folder)
        agents.append(agent)
        return agent
    }

    /// Publishes a file; as an adapter where `base` is given.
    func publish(_ file: String, as reference: String, adapterOf base: String? = nil) throws {
        var arguments = ["publish", file, "--as", reference]
        if let base { arguments += ["--adapter-of", base] }
        _ = try workbench.run([workbench.program("martlet")] + arguments, environment: environment)
    }

    /// Rolls a release out to a group's slot and waits until it is done.
    func rollOut(_ reference: String, to group: String, slot: String = "triage") throws {
        try martlet(
            "rollout", "start", reference, "--fleet", group, "--slot", slot, "--soak", "1s", "--wait")
    }

    /// Waits until a device's slot `triage` has proven a release and keeps it.
    func waitUntilSettled(_ device: Device) throws {
        try wait(for: "\(device.name) keeps what it runs") {
            let text = try martlet("devices", "show", device.name, "--output", "json")
            let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
            let slot = (object?["slots"] as? [String: Any])?["triage"] as? [String: Any]
            return slot?["state"] as? String == "succeeded"
        }
    }

    /// The reports of a device, newest or oldest first as the registry gives them.
    func history(of device: Device) throws -> [[String: Any]] {
        let text = try martlet("devices", "reports", device.name, "--output", "json")
        guard let reports = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]] else {
            throw BenchError("devices history printed no array: \(text.prefix(200))")
        }
        return reports
    }

    private static func addresses(_ data: URL, of process: Background) throws -> [String: String] {
        let file = data.appendingPathComponent("run/addresses.json")
        try wait(for: "the addresses in \(file.path)") {
            guard process.isRunning else { throw BenchError("it ended: \(process.output.suffix(1000))") }
            return FileManager.default.fileExists(atPath: file.path)
        }
        return try JSONDecoder().decode([String: String].self, from: Data(contentsOf: file))
    }
}

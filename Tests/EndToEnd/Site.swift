import Foundation
import MartletAPI
import MartletTypes
import TestSupport
import Testing

/// A registry, an operator and any number of devices, all of them the real programs, in one scratch folder.
final class Site: @unchecked Sendable {
    /// An agent with its own data folder and gateway.
    struct Device: Sendable {
        let name: String
        let data: String
        let process: RunningProcess
        /// `http://127.0.0.1:PORT`.
        let gateway: String
    }

    let folder: TemporaryFolder
    private let lock = NSLock()
    private var registryProcess: RunningProcess?
    private var registryStarts = 0
    private var agentStarts = 0
    private var boundOperator = "127.0.0.1:0"
    private var boundDevice = "127.0.0.1:0"

    var registryData: String { folder.file("registry") }
    /// `HOST:PORT` of the device listener.
    var deviceAddress: String { lock.withLock { boundDevice } }
    var operatorAddress: String { lock.withLock { "http://" + boundOperator } }
    /// What an operator's shell has, so that each site has its own configuration.
    var operatorEnvironment: [String: String] {
        [
            "XDG_CONFIG_HOME": folder.file("operator/config"), "XDG_CACHE_HOME": folder.file("operator/cache"),
            "XDG_DATA_HOME": folder.file("operator/data"), "XDG_STATE_HOME": folder.file("operator/state"),
            "NO_COLOR": "1",
        ]
    }

    init(_ name: String) throws {
        // Short: engines listen on sockets below it, whose paths may have 103 bytes.
        folder = try TemporaryFolder(name)
    }

    /// Starts the registry, on the addresses that it had before if it ran already.
    func startRegistry(_ extra: [String] = []) async throws {
        let (number, operatorAddress, deviceAddress) = lock.withLock {
            registryStarts += 1
            return (registryStarts, boundOperator, boundDevice)
        }
        let addresses = registryData + "/run/addresses.json"
        try? FileManager.default.removeItem(atPath: addresses)
        let process = try RunningProcess(
            Checkout.product("martlet-registry"),
            [
                "serve", "--data", registryData, "--operator-address", operatorAddress, "--device-address",
                deviceAddress, "--admin-token-file", folder.file("admin.token"),
            ] + extra, log: folder.file("registry-\(number).log"))
        lock.withLock { registryProcess = process }
        try await eventually(within: 60, "the registry writes its addresses\n\(process.output)") {
            guard process.isRunning else { throw NeverTrue(description: "the registry ended: \(process.output)") }
            return FileManager.default.fileExists(atPath: addresses)
        }
        let bound = try JSONText.decode(
            [String: String].self, from: try Data(contentsOf: URL(fileURLWithPath: addresses)))
        lock.withLock {
            boundOperator = bound["operator"] ?? ""
            boundDevice = bound["device"] ?? ""
        }
    }

    func stopRegistry() async throws {
        guard let process = lock.withLock({ registryProcess }) else { return }
        #expect(try await process.stop() == 0, "the registry ends cleanly: \(process.output.suffix(2000))")
    }

    /// Ends the registry as a power cut does.
    func killRegistry() async throws {
        guard let process = lock.withLock({ registryProcess }) else { return }
        process.signal(SIGKILL)
        _ = try await process.exitCode(within: 30)
    }

    var registryLog: String { lock.withLock { registryProcess?.output ?? "" } }
    /// The process id of the registry that was started last, and whether it runs.
    var registryPID: Int32 { lock.withLock { registryProcess?.pid ?? -1 } }
    var registryIsRunning: Bool { lock.withLock { registryProcess?.isRunning ?? false } }

    /// Runs `martlet`; fails the test where the exit code is another than `expected`.
    @discardableResult
    func martlet(_ arguments: String..., expecting expected: Int32 = 0) async throws -> Finished {
        try await martlet(arguments, expecting: expected)
    }

    /// The same with its arguments in an array.
    @discardableResult
    func martlet(_ arguments: [String], expecting expected: Int32) async throws -> Finished {
        let result = try await run(Checkout.product("martlet"), arguments, environment: operatorEnvironment)
        #expect(
            result.status == expected,
            "martlet \(arguments.joined(separator: " ")) exits \(result.status)\n\(result.output)\n\(result.errors)")
        return result
    }

    /// Runs `martlet … --output json` and reads what it prints.
    func json<Value: Decodable>(_ type: Value.Type, _ arguments: String...) async throws -> Value {
        try await json(type, arguments)
    }

    /// The same with its arguments in an array.
    func json<Value: Decodable>(_ type: Value.Type, _ arguments: [String]) async throws -> Value {
        let result = try await run(
            Checkout.product("martlet"), arguments + ["--output", "json"], environment: operatorEnvironment)
        guard result.status == 0 else {
            throw NeverTrue(description: "martlet \(arguments.joined(separator: " ")): \(result.errors)")
        }
        return try JSONText.decode(type, from: Array(result.output.utf8))
    }

    /// Runs `body` with a site whose registry is ready, and stops the registry after it.
    static func ready(_ name: String, _ body: (Site) async throws -> Void) async throws {
        let site = try Site(name)
        try await site.startRegistry()
        try await site.initializeTrust()
        try await body(site)
        try await site.stopRegistry()
    }

    /// Logs in and makes the offline keys, as a new operator would.
    func initializeTrust(namespace: String = "clinic") async throws {
        try await martlet("login", operatorAddress, "--token-file", folder.file("admin.token"))
        try await martlet(
            "trust", "init", "--namespace", namespace, "--keys", folder.file("operator/keys"), "--no-passphrase")
    }

    /// Enrols a device and starts its agent.
    ///
    /// `settings` are further members of its configuration file, `engine` of the member of that name, `allowed` the
    /// repositories that its policy permits. Without `threads` the device's profile says how many.
    func startDevice(
        _ name: String, labels: [String] = ["site=berlin"], settings: String = "", engine: String = "",
        threads: Int? = 1, allowed: [String] = ["clinic/*"], policy further: String = "", extra: [String] = []
    ) async throws -> Device {
        let data = folder.file("devices/" + name)
        let token = try await martlet("token", "join", "--uses", "1", "--valid", "1h").output
        let tokenFile = folder.file(name + ".join")
        try token.write(toFile: tokenFile, atomically: true, encoding: .utf8)
        let file = try configure(
            name, settings: settings, engine: engine, threads: threads, allowed: allowed, policy: further)
        var arguments = ["enrol", "--join-file", tokenFile, "--name", name, "--data", data, "--config", file]
        for label in labels { arguments += ["--label", label] }
        let enrolled = try await run(Checkout.product("martlet-agent"), arguments)
        #expect(enrolled.status == 0, "enrol \(name): \(enrolled.output) \(enrolled.errors)")
        return try await startAgent(name, extra: extra)
    }

    /// Writes the configuration file of a device's agent, as `startDevice` does, and returns its path.
    @discardableResult
    func configure(
        _ name: String, settings: String = "", engine: String = "", threads: Int? = 1,
        allowed: [String] = ["clinic/*"], policy further: String = ""
    ) throws -> String {
        let patterns = allowed.map { "\"\($0)\"" }.joined(separator: ", ")
        let threads = threads.map { #", "threads": \#($0)"# } ?? ""
        let configuration =
            #"{"policy": {"otherSlots": [\#(patterns)]\#(further)}, "engine": {\#((threads + engine).dropFirst(2))}, "#
            + #""telemetrySeconds": 2\#(settings)}"#
        let file = folder.file(name + ".agent.json")
        try configuration.write(toFile: file, atomically: true, encoding: .utf8)
        return file
    }

    /// Starts the agent of an enrolled device, on the gateway port that it had before if `gateway` says so. `under` is
    /// a command that becomes the agent, e.g. one that changes what the agent sees of the machine.
    func startAgent(
        _ name: String, gateway: String? = nil, extra: [String] = [], environment: [String: String] = [:],
        under: [String] = []
    ) async throws -> Device {
        let number = lock.withLock {
            agentStarts += 1
            return agentStarts
        }
        let data = folder.file("devices/" + name)
        let addresses = data + "/run/addresses.json"
        try? FileManager.default.removeItem(atPath: addresses)
        let address = gateway.map { String($0.dropFirst("http://".count)) } ?? "127.0.0.1:0"
        let command =
            under + [
                Checkout.product("martlet-agent"), "run", "--data", data, "--gateway", address, "--config",
                folder.file(name + ".agent.json"),
            ] + extra
        let process = try RunningProcess(
            command[0], Array(command.dropFirst()), environment: environment,
            log: folder.file("\(name)-\(number).log"))
        try await eventually(within: 60, "agent \(name) writes its addresses\n\(process.output)") {
            guard process.isRunning else { throw NeverTrue(description: "agent \(name) ended: \(process.output)") }
            return FileManager.default.fileExists(atPath: addresses)
        }
        let bound = try JSONText.decode(
            [String: String].self, from: try Data(contentsOf: URL(fileURLWithPath: addresses)))
        return Device(name: name, data: data, process: process, gateway: "http://" + (bound["gateway"] ?? ""))
    }

    /// What the registry knows of a device.
    func device(_ name: String) async throws -> DeviceInfo { try await json(DeviceInfo.self, "devices", "show", name) }

    /// Waits until a device's slot serves a release.
    func waitUntilServing(_ device: String, _ slot: String, _ release: String, within seconds: Double = 120)
        async throws
    {
        try await eventually(within: seconds, "\(device) serves \(release) in \(slot)") { [self] in
            let info = try await self.device(device)
            let state = info.slots[try SlotName(slot)]
            return state?.serving == true && state?.current.map(\.reference) == [release]
        }
    }

    /// Starts requests to gateways; `LoadRun.stop()` ends them and gives the figures.
    func startLoad(_ gateways: [String], slot: String, eval: String, workers: Int = 2) throws -> LoadRun {
        let log = folder.file("load-\(UUID().uuidString).json")
        return LoadRun(
            process: try RunningProcess(
                Checkout.product("martlet-load"),
                [
                    "--model", slot, "--eval", eval, "--workers", String(workers), "--rest-milliseconds", "20",
                    "--least", "5",
                ] + gateways,
                log: log))
    }
}

/// Requests under way.
struct LoadRun: Sendable {
    /// What `martlet-load` prints.
    struct Figures: Decodable, Sendable {
        let sent: Int
        let failed: Int
        let streamed: Int
        let p50Milliseconds: Double
        let p99Milliseconds: Double
        let failures: [String: Int]
    }

    let process: RunningProcess

    func stop() async throws -> Figures {
        // On a busy machine it may still be starting.
        try await eventually(within: 60, "the load runs") { try process.catches(SIGTERM) }
        process.signal(SIGTERM)
        _ = try await process.exitCode(within: 60)
        return try JSONText.decode(Figures.self, from: Array(process.output.utf8))
    }
}

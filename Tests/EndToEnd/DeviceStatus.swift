import Foundation
import MartletAPI
import MartletTypes
import TestSupport

/// What of `martlet-agent status --output json` tests look at.
struct DeviceStatus: Decodable {
    struct Agent: Decodable {
        struct Memory: Decodable {
            let budget: Int64?
            let taken: Int64
            let limits: String
        }
        let gateway: String
        let profile: String
        let problems: [DeviceProblem]
        let memory: Memory?
    }

    struct Slot: Decodable {
        struct Step: Decodable {
            let time: Timestamp
            let phase: String
            let cause: String
        }
        let slot: String
        let serving: Bool
        let engine: String?
        let memory: Int64?
        let limits: String?
        let history: [Step]
    }

    let agent: Agent
    let slots: [Slot]

    /// Asks the agent that runs on a data folder. Throws what it says where it does not tell.
    static func of(_ data: String) async throws -> DeviceStatus {
        let done = try await run(
            Checkout.product("martlet-agent"), ["status", "--data", data, "--output", "json"])
        guard done.status == 0 else { throw NeverTrue(description: done.errors) }
        return try JSONText.decode(DeviceStatus.self, from: Array(done.output.utf8))
    }

    subscript(slot: String) -> Slot? { slots.first { $0.slot == slot } }
}

/// An engine that runs, as the kernel has it.
struct EngineProcess: Hashable {
    let pid: Int32
    let arguments: [String]

    /// What stands behind a flag; nil where it is not given.
    func value(_ flag: String) -> String? {
        guard let index = arguments.firstIndex(of: flag), index + 1 < arguments.count else { return nil }
        return arguments[index + 1]
    }
}

extension DataFolder {
    /// The engines that were started for this folder, by slot; of a slot that runs two, either.
    func enginesBySlot() throws -> [String: EngineProcess] {
        let folder = path + "/run/engines/"
        var found: [String: EngineProcess] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: "/proc") {
            guard let pid = Int32(name), let line = FileManager.default.contents(atPath: "/proc/\(pid)/cmdline") else {
                continue
            }
            let words = line.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
            let engine = EngineProcess(pid: pid, arguments: words)
            guard let socket = engine.value("--host"), socket.hasPrefix(folder) else { continue }
            found[String(socket.dropFirst(folder.count).prefix { $0 != "/" })] = engine
        }
        return found
    }
}

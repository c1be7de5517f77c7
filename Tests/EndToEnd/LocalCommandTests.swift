import Foundation
import Glibc
import MartletAPI
import MartletTypes
import TestSupport
import Testing

/// `martlet-agent` for people on the box: doctor, logs and rollback, with the real programs.
@Suite("The agent's commands on the box", .serialized)
struct LocalCommandTests {
    private struct Report: Decodable {
        struct Finding: Decodable {
            let id: String
            let severity: String
            let place: String
            let message: String
            let remedy: String
        }
        let agentRuns: Bool
        let findings: [Finding]
        let passed: [String]
        var ids: [String] { findings.map(\.id) }
        /// What the box that the tests run on may bring.
        static let ofBox: Set<String> = [
            "memoryPressure", "swapInUse", "tooHot", "throttled", "cgroupNotDelegated", "clockNotSynchronised",
            "unitNotEnabled", "diskBelowReserve",
        ]
        var others: [String] { ids.filter { !Self.ofBox.contains($0) } }
    }

    private func agent(
        _ arguments: String..., environment: [String: String] = [:], user: UInt32? = nil
    ) async throws -> Finished {
        let program = Checkout.product("martlet-agent")
        guard let user else { return try await run(program, arguments, environment: environment) }
        return try await run(
            "/usr/bin/setpriv", ["--reuid", "\(user)", "--regid", "\(user)", "--clear-groups", program] + arguments,
            environment: environment)
    }

    private func doctor(
        _ data: String, _ site: Site, environment: [String: String] = [:]
    ) async throws -> (report: Report, status: Int32) {
        let done = try await agent(
            "doctor", "--data", data, "--gateway", "127.0.0.1:0", "--output", "json", environment: environment)
        do {
            return (try JSONText.decode(Report.self, from: Array(done.output.utf8)), done.status)
        } catch {
            throw NeverTrue(description: "doctor: \(done)")
        }
    }

    @Test("the doctor sees a device through its life: serving, its registry gone, stopped, behind a proxy, refused")
    func doctor() async throws {
        try await Site.ready("doc") { site in
            let device = try await site.startDevice("w1")
            try await eventually(within: 60, "it followed the owner's metadata") {
                FileManager.default.fileExists(atPath: device.data + "/tuf/timestamp.json")
            }
            let well = try await doctor(device.data, site)
            #expect(well.report.others.isEmpty, "\(well.report)")
            #expect(well.report.agentRuns)
            #expect(well.report.passed.contains("registry") && well.report.passed.contains("engine"))
            #expect(well.status != 2)
            let table = try await agent("doctor", "--data", device.data, "--gateway", "127.0.0.1:0")
            #expect(table.output.contains("the agent runs"))

            try await site.stopRegistry()
            let alone = try await doctor(device.data, site)
            #expect(alone.report.ids.contains("registryNotReached"), "\(alone.report)")
            #expect(alone.status == 2)

            #expect(try await device.process.stop() == 0)
            let stopped = try await doctor(device.data, site)
            #expect(stopped.report.others == ["registryNotReached", "agentNotRunning"], "\(stopped.report)")
            #expect(!stopped.report.agentRuns)

            // An address that is no loopback goes through the proxy, which nobody answers for.
            let identity = device.data + "/identity/device.json"
            let known = try String(contentsOfFile: identity, encoding: .utf8)
            let moved = known.replacingOccurrences(of: "https://\(site.deviceAddress)", with: "https://192.0.2.1:8443")
                .replacingOccurrences(of: #"https:\/\/\#(site.deviceAddress)"#, with: "https://192.0.2.1:8443")
            #expect(moved != known)
            try moved.write(toFile: identity, atomically: true, encoding: .utf8)
            chmod(identity, 0o600)
            let proxied = try await doctor(device.data, site, environment: ["https_proxy": "http://127.0.0.1:1"])
            #expect(proxied.report.others == ["proxyNotReached", "agentNotRunning"], "\(proxied.report)")
            #expect(proxied.report.findings.first?.place == "https_proxy")

            try known.write(toFile: identity, atomically: true, encoding: .utf8)
            chmod(identity, 0o600)
            try await site.startRegistry()
            let again = try await site.startAgent("w1", gateway: device.gateway)
            try await site.martlet("devices", "revoke", "w1")
            try await eventually(within: 60, "it is refused") {
                try await doctor(device.data, site).report.ids.contains { $0.hasPrefix("registryRefuses") }
            }
            #expect(try await again.process.stop() == 0)
        }
    }

    @Test("another user sees that it may not look, and is not let near the agent", .enabled(if: geteuid() == 0))
    func stranger() async throws {
        let folder = try TemporaryFolder("str")
        chmod(folder.path, 0o700)
        // A checkout below a closed folder cannot be run by others at all.
        guard try await agent("version", user: 65_534).status == 0 else { return }
        let done = try await agent(
            "doctor", "--data", folder.file("data"), "--gateway", "127.0.0.1:0", "--output", "json", user: 65_534)
        #expect(done.status == 2)
        #expect(done.output.contains(#""dataUnreadable""#), "\(done)")
    }

    @Test("people on the box read its logs and send a slot back, and the registry is told; prompts are in no log")
    func logsAndRollback() async throws {
        try await Site.ready("loc") { site in
            let device = try await site.startDevice("w1")
            for version in ["1.0.0", "2.0.0"] {
                let model = version == "1.0.0" ? "tiny-v1.Q4_0.gguf" : "tiny-v1.Q8_0.gguf"
                try await site.martlet("publish", StoryTests.tiny(model), "--as", "clinic/base:\(version)")
            }
            try await site.martlet("fleets", "set", "all", "--selector", "")
            for version in ["1.0.0", "2.0.0"] {
                try await site.martlet(
                    "rollout", "start", "clinic/base:\(version)", "--fleet", "all", "--slot", "t", "--soak", "1s",
                    "--wait")
            }
            try await site.waitUntilServing("w1", "t", "clinic/base:2.0.0")
            let secret = "sentinel-of-a-patient-4711"
            #expect(try await Chat.ask(device.gateway, model: "t", secret) == 200)

            let logs = try await agent("logs", "--data", device.data)
            #expect(logs.status == 0 && logs.output.contains("agent starts"), "\(logs)")
            #expect(logs.output.contains("[engine t]"), "\(logs.output)")
            let one = try await agent(
                "logs", "--data", device.data, "--slot", "t", "--lines", "2000", "--output", "json")
            #expect(one.output.contains(#""slot":"t""#) && !one.output.contains("agent starts"))
            let token = try String(contentsOfFile: site.folder.file("w1.join"), encoding: .utf8)
            for text in [secret, String(token.prefix(40))] {
                #expect(!logs.output.contains(text) && !one.output.contains(text))
                #expect(!device.process.output.contains(text))
            }
            let follower = try RunningProcess(
                Checkout.product("martlet-agent"), ["logs", "--data", device.data, "--follow", "--lines", "0"],
                log: site.folder.file("follow.log"))

            let scrub = try await agent("scrub", "--data", device.data)
            #expect(scrub.status == 0 && scrub.output.hasPrefix("2 files of "), "\(scrub)")
            try await eventually(within: 60, "all of them were looked at") {
                follower.output.contains("all files were looked at")
            }

            let back = try await agent("rollback", "t", "--data", device.data, "--wait", "60")
            #expect(back.status == 0, "\(back)")
            #expect(back.output == "t: went back from clinic/base:2.0.0 to clinic/base:1.0.0\n")
            try await site.waitUntilServing("w1", "t", "clinic/base:1.0.0")
            try await eventually(within: 60, "the registry is told") {
                try await site.martlet("devices", "reports", "w1").output.contains("localRollback")
            }
            try await eventually(within: 60, "whoever follows sees it") {
                follower.output.contains("slot sent back on this device")
            }
            follower.signal(SIGTERM)
            let again = try await agent("rollback", "t", "--data", device.data)
            #expect(again.status == 77 && again.errors.contains("localRollbackRefused"), "\(again)")
            let unknown = try await agent("rollback", "nothing", "--data", device.data)
            #expect(unknown.status == 64, "\(unknown)")

            // It stays so over a restart, and until the registry decides anew.
            #expect(try await device.process.stop() == 0)
            let restarted = try await site.startAgent("w1")
            try await eventually(within: 60, "it serves") {
                try await Chat.ask(restarted.gateway, model: "t", "hello") == 200
            }
            try await site.waitUntilServing("w1", "t", "clinic/base:1.0.0")
            try await site.martlet("publish", StoryTests.tiny("tiny-v1.Q4_0.gguf"), "--as", "clinic/base:3.0.0")
            try await site.martlet(
                "rollout", "start", "clinic/base:3.0.0", "--fleet", "all", "--slot", "t", "--soak", "1s", "--wait")
            try await site.waitUntilServing("w1", "t", "clinic/base:3.0.0")
            #expect(try await restarted.process.stop() == 0)
        }
    }

    @Test("a device whose owner forbids it does not go back on the box")
    func forbidden() async throws {
        try await Site.ready("forb") { site in
            let device = try await site.startDevice("w1", policy: #", "localRollback": "refused""#)
            let done = try await agent("rollback", "t", "--data", device.data)
            #expect(done.status == 77, "\(done)")
            #expect(done.errors.contains("owner does not let slots go back"), "\(done)")
            #expect(try await device.process.stop() == 0)
        }
    }
}

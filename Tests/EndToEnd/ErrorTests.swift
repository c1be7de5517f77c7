import Foundation
import MartletAPI
import MartletTypes
import TestSupport
import Testing

/// What a person sees when something is wrong: the code, the cause and the remedy, from the real programs.
@Suite("Errors that people meet", .serialized)
struct ErrorTests {
    @Test("operators are told what is unknown, wrong or not allowed, and what to do next")
    func operators() async throws {
        let site = try Site("errors")
        try await site.startRegistry()
        let early = try await site.martlet("status", "--server", site.operatorAddress, expecting: 77)
        #expect(early.errors.contains("token"))
        try await site.initializeTrust()

        let cases: [(arguments: [String], status: Int32, says: [String])] = [
            (["devices", "show", "pi-9"], 65, ["pi-9", "martlet devices"]),
            (["rollout", "start", "clinic/none:1.0.0", "--fleet", "all", "--slot", "x"], 65, ["all", "fleet"]),
            (["rollout", "start", "clinic/none:1.0.0", "--selector", "", "--slot", "x"], 65, ["clinic/none:1.0.0"]),
            (["rollout", "show", "r-none"], 65, ["r-none"]),
            (["releases", "show", "clinic/none@stable"], 65, ["clinic/none@stable", "alias"]),
            (["publish", "/nonexistent.gguf", "--as", "clinic/a:1.0.0"], 65, ["/nonexistent.gguf"]),
            (["publish", #filePath, "--as", "clinic/a:1.0.0"], 65, ["magic"]),
            (["publish", StoryTests.tiny("tiny-v1.Q4_0.gguf"), "--as", "factory/a:1.0.0"], 78, ["factory"]),
            (["publish", StoryTests.tiny("tiny-lora-v1.gguf"), "--as", "clinic/a:1.0.0"], 65, ["adapter"]),
            (["login", "http://127.0.0.1:1", "--token", "x"], 69, ["127.0.0.1:1"]),
            (["login", site.operatorAddress, "--token", "wrong"], 77, ["token"]),
            (["token", "create", "a", "--role", "emperor"], 64, ["emperor"]),
            (["fleets", "set", "a", "--selector", "=="], 64, ["selector"]),
            (["rollback", "--device", "pi-9", "--slot", "triage"], 65, ["pi-9"]),
        ]
        for wrong in cases {
            let result = try await site.martlet(wrong.arguments, expecting: wrong.status)
            for text in wrong.says {
                #expect(result.errors.contains(text), "\(wrong.arguments): \(result.errors)")
            }
        }
        try await roles(site)
        try await site.stopRegistry()
    }

    /// A token does what its role allows, ends when it is revoked, and never publishes into another namespace.
    private func roles(_ site: Site) async throws {
        let viewer = try await site.json(TokenInfo.self, "token", "create", "watcher", "--role", "viewer")
        let secret = try #require(viewer.secret)
        try await site.martlet("devices", "--token", secret)
        let refused = try await site.martlet("token", "join", "--token", secret, expecting: 77)
        #expect(refused.errors.contains("operator"))
        try await site.martlet("token", "revoke", viewer.id)
        try await site.martlet("devices", "--token", secret, expecting: 77)
        let listed = try await site.martlet("token", "list", "--output", "json")
        #expect(!listed.output.contains(secret))
        #expect(!site.registryLog.contains(secret))
    }

    @Test("a registry says what keeps it from starting")
    func registry() async throws {
        let site = try Site("registry-errors")
        try await site.startRegistry()
        let port = String(site.operatorAddress.dropFirst("http://".count))
        let second = try await run(
            Checkout.product("martlet-registry"),
            [
                "serve", "--data", site.folder.file("other"), "--operator-address", port, "--device-address",
                "127.0.0.1:0",
            ])
        #expect(second.status == 69 && second.errors.contains(port), "\(second)")
        let shared = try await run(
            Checkout.product("martlet-registry"),
            [
                "serve", "--data", site.registryData, "--operator-address", "127.0.0.1:0", "--device-address",
                "127.0.0.1:0",
            ])
        #expect(shared.status != 0 && shared.errors.contains(site.registryData), "\(shared)")
        try await site.stopRegistry()
    }

    @Test("a device says what keeps it from joining or serving")
    func devices() async throws {
        let site = try Site("device-errors")
        try await site.startRegistry()
        try await site.initializeTrust()
        let agent = Checkout.product("martlet-agent")

        let folder = site.folder.file("devices/x")
        let stranger = try await run(agent, ["run", "--data", folder, "--gateway", "127.0.0.1:0"])
        #expect(stranger.status == 78 && stranger.errors.contains("enrol"), "\(stranger)")
        let torn = try await run(agent, ["enrol", "--join", "martlet-join.v1.abc", "--name", "x", "--data", folder])
        #expect(torn.status != 0 && torn.errors.contains("join token"), "\(torn)")

        let token = try await site.martlet("token", "join", "--uses", "1").output.trimmingCharacters(in: .newlines)
        let first = try await run(agent, ["enrol", "--join", token, "--name", "x", "--data", folder])
        #expect(first.status == 0, "\(first)")
        let again = try await run(
            agent, ["enrol", "--join", token, "--name", "y", "--data", site.folder.file("devices/y")])
        #expect(again.status != 0 && again.errors.contains("token"), "used up: \(again)")
        let twice = try await run(agent, ["enrol", "--join", token, "--name", "x", "--data", folder])
        #expect(twice.status != 0 && twice.errors.contains("--force"), "\(twice)")

        // A missing engine is named at once; the agent stays, so that its status and its reports can say so.
        let missing = try RunningProcess(
            agent,
            ["run", "--data", folder, "--gateway", "127.0.0.1:0", "--llama-server", "/nonexistent/llama-server"],
            log: site.folder.file("missing.log"))
        try await eventually(within: 30, "the agent runs") {
            FileManager.default.fileExists(atPath: folder + "/run/addresses.json")
        }
        try await eventually(within: 30, "the agent names the engine that is missing") {
            missing.output.contains("engineMissing") || missing.output.contains("/nonexistent/llama-server")
        }
        #expect(try await missing.stop() == 0)
        let port = String(site.operatorAddress.dropFirst("http://".count))
        let taken = try await run(agent, ["run", "--data", folder, "--gateway", port])
        #expect(taken.status == 69 && taken.errors.contains(port.split(separator: ":")[1]), "\(taken)")

        try await revoked(site)
        try await site.stopRegistry()
    }

    /// A device that was removed is refused at its next request, and goes on serving what it has.
    private func revoked(_ site: Site) async throws {
        let device = try await site.startDevice("gone")
        try await eventually(within: 30, "the device is online") { try await site.device("gone").online }
        try await site.martlet("devices", "remove", "gone")
        try await eventually(within: 60, "the agent says that it is not known any more") {
            device.process.output.contains("unknownDevice")
        }
        #expect(device.process.isRunning)
        #expect(try await device.process.stop() == 0)
    }

    @Test("where no variant fits, the report says which requirement each of them missed")
    func noVariantFits() async throws {
        let site = try Site("no-variant")
        try await site.startRegistry()
        try await site.initializeTrust()
        let small = try await site.startDevice("small", settings: #", "diskBudgetBytes": 1048576"#)
        try await site.martlet("publish", StoryTests.tiny("tiny-v1.Q8_0.gguf"), "--as", "clinic/base:1.0.0")
        // Room can be made, so the device failed and was not skipped: the rollout waits for a person.
        let rollout = try await site.martlet(
            "rollout", "start", "clinic/base:1.0.0", "--selector", "", "--slot", "triage", "--wait", expecting: 75)
        let told = rollout.output + rollout.errors
        #expect(told.contains("1 of 1 device failed, 0 allowed: diskFull on small"), "\(rollout)")
        #expect(told.contains("No variant of clinic/base:1.0.0 fits this device: Q8_0: needs"), "\(rollout)")
        let history = try await site.martlet("devices", "reports", "small")
        #expect(history.output.contains("Q8_0") && history.output.contains("MiB"), "\(history.output)")
        #expect(try await small.process.stop() == 0)
        try await site.stopRegistry()
    }
}

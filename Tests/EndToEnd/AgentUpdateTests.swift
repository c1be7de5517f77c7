import Foundation
import MartletAPI
import MartletTypes
import TestSupport
import Testing

/// The agent replaced over the air by another build of itself, with the real programs.
@Suite("Agents over the air", .serialized)
struct AgentUpdateTests {
    private static let settings = #", "agentTrialSeconds": 15"#
    private static let policy = #", "agentNamespace": "platform""#

    /// A copy of the agent that states another version, as another build would.
    private func agent(_ site: Site, version: String) throws -> String {
        var bytes = try #require(FileManager.default.contents(atPath: Checkout.product("martlet-agent")))
        let stamp = Data("martlet-agent-version=\(MartletVersion.text);".utf8)
        let other = Data("martlet-agent-version=\(version);".utf8)
        #expect(stamp.count == other.count)
        let range = try #require(bytes.range(of: stamp))
        bytes.replaceSubrange(range, with: other)
        let path = site.folder.file("martlet-agent-\(version)")
        #expect(
            FileManager.default.createFile(atPath: path, contents: bytes, attributes: [.posixPermissions: 0o755]))
        return path
    }

    /// A device whose agent is started again whenever it ends, as a service manager does.
    private func supervised(_ site: Site, _ body: (Site.Device) async throws -> Void) async throws {
        let device = try await site.startDevice("box", settings: Self.settings, policy: Self.policy)
        #expect(try await device.process.stop() == 0)
        let script = """
            trap 'kill $child; wait $child; exit 0' TERM
            while :; do "$@" & child=$!; wait $child; sleep 0.2; done
            """
        let process = try RunningProcess(
            "/bin/sh",
            [
                "-c", script, "sh", Checkout.product("martlet-agent"), "run", "--data", device.data, "--gateway",
                device.gateway.replacingOccurrences(of: "http://", with: ""), "--config",
                site.folder.file("box.agent.json"),
            ], log: site.folder.file("supervised.log"))
        do {
            try await body(device)
        } catch {
            print(process.output.suffix(6000))
            _ = try await process.stop()
            throw error
        }
        #expect(try await process.stop() == 0)
    }

    private func site(_ name: String, _ body: (Site) async throws -> Void) async throws {
        try await Site.ready(name) { site in
            try await site.martlet(
                "trust", "delegate", "platform", "--keys", site.folder.file("operator/keys"), "--no-passphrase")
            try await site.martlet("publish", StoryTests.tiny("tiny-v1.Q4_0.gguf"), "--as", "clinic/base:1.0.0")
            try await body(site)
        }
    }

    private func rollOut(_ site: Site, _ release: String, slot: String, expecting: Int32 = 0) async throws -> Finished {
        try await site.martlet(
            ["rollout", "start", release, "--selector", "", "--slot", slot, "--soak", "1s", "--wait"],
            expecting: expecting)
    }

    private func version(_ site: Site) async throws -> String? { try await site.device("box").inventory?.agentVersion }

    @Test("another agent takes over, serves the same slots, and goes back by a rollback")
    func update() async throws {
        try await site("agent") { site in
            try await supervised(site) { device in
                _ = try await rollOut(site, "clinic/base:1.0.0", slot: "triage")
                try await site.martlet(
                    "publish", "--kind", "agent", try agent(site, version: "0.1.1"), "--as",
                    "platform/martlet-agent:0.1.1")
                try await site.martlet(
                    "publish", "--kind", "agent", try agent(site, version: "0.1.2"), "--as",
                    "platform/martlet-agent:0.1.2")
                let wrong = try await site.martlet(
                    [
                        "publish", "--kind", "agent", site.folder.file("martlet-agent-0.1.2"), "--as",
                        "platform/martlet-agent:0.1.3",
                    ], expecting: 65)
                #expect(wrong.errors.contains("is martlet-agent 0.1.2, not 0.1.3"), "\(wrong.errors)")
                for version in ["0.1.1", "0.1.2"] {
                    _ = try await rollOut(site, "platform/martlet-agent:\(version)", slot: "martlet-agent")
                    try await eventually(within: 120, "agent \(version) tells its version") {
                        try await self.version(site) == version
                    }
                }
                try await site.waitUntilServing("box", "triage", "clinic/base:1.0.0")
                #expect(try await Chat.ask(device.gateway, model: "triage", "Hello") == 200)
                try await site.martlet("rollback", "--device", "box", "--slot", "martlet-agent")
                try await eventually(within: 120, "the agent before runs again") {
                    try await self.version(site) == "0.1.1"
                }
                try await site.waitUntilServing("box", "triage", "clinic/base:1.0.0")
            }
        }
    }

    @Test("an agent that cannot reach the registry is taken back by itself, and the rollout learns why")
    func noPoll() async throws {
        try await site("nopoll") { site in
            try await supervised(site) { device in
                _ = try await rollOut(site, "clinic/base:1.0.0", slot: "triage")
                try await site.martlet(
                    "publish", "--kind", "agent", try agent(site, version: "0.1.1"), "--as",
                    "platform/martlet-agent:0.1.1")
                // The registry is gone the moment the new agent starts.
                let rollout = try await site.json(
                    RolloutInfo.self, "rollout", "start", "platform/martlet-agent:0.1.1", "--selector", "", "--slot",
                    "martlet-agent", "--soak", "1s")
                let trial = device.data + "/agent/trial.json"
                try await eventually(within: 120, "the trial begins") {
                    FileManager.default.fileExists(atPath: trial)
                }
                try await site.killRegistry()
                try await eventually(within: 120, "the program is taken back") {
                    FileManager.default.fileExists(atPath: device.data + "/agent/returned-noPoll.json")
                }
                try await eventually(within: 60, "the old agent serves") {
                    try await Chat.ask(device.gateway, model: "triage", "Hello") == 200
                }
                try await site.startRegistry()
                try await eventually(within: 180, "the registry learns it") {
                    let info = try await site.json(RolloutInfo.self, "rollout", "show", rollout.id.text)
                    return info.devices?.first?.code == "agentReturned"
                }
                #expect(try await version(site) == MartletVersion.text)
            }
        }
    }

    @Test("an agent that ends at once is taken back after three starts")
    func crashLoop() async throws {
        try await site("crash") { site in
            try await supervised(site) { device in
                _ = try await rollOut(site, "clinic/base:1.0.0", slot: "triage")
                let wrapper = try await crashing(site)
                try await site.martlet(
                    "publish", "--kind", "agent", wrapper, "--as", "platform/martlet-agent:0.1.9")
                let failed = try await rollOut(
                    site, "platform/martlet-agent:0.1.9", slot: "martlet-agent", expecting: 75)
                #expect((failed.output + failed.errors).contains("taken back"), "\(failed)")
                try await eventually(within: 60, "the old agent serves") {
                    try await Chat.ask(device.gateway, model: "triage", "Hello") == 200
                }
                #expect(try await version(site) == MartletVersion.text)
            }
        }
    }

    /// A program that answers as an agent of 0.1.9 and ends with an error when it is run.
    private func crashing(_ site: Site) async throws -> String {
        let facts = try await run(Checkout.product("martlet-agent"), ["program-facts"]).output
            .replacingOccurrences(of: MartletVersion.text, with: "0.1.9")
            .replacingOccurrences(of: "\"", with: "\\\"")
        let source = site.folder.file("crashing.c")
        try """
        #include <stdio.h>
        #include <string.h>
        const char stamp[] = "martlet-agent-version=0.1.9;";
        int main(int count, char **words) {
            if (count > 1 && !strcmp(words[1], "program-facts")) {
                printf("%s", "\(facts)");
                return 0;
            }
            return stamp[0] == 'm' ? 9 : 0;
        }
        """.write(toFile: source, atomically: true, encoding: .utf8)
        let program = site.folder.file("crashing")
        let compiler = try Process.run(
            URL(fileURLWithPath: "/usr/bin/env"), arguments: ["clang", "-O1", "-o", program, source])
        compiler.waitUntilExit()
        try #require(compiler.terminationStatus == 0)
        return program
    }
}

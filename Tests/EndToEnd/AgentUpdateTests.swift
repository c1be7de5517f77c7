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

    private func publish(_ site: Site, version: String) async throws {
        try await site.martlet(
            "publish", "--kind", "agent", try agent(site, version: version), "--as",
            "platform/martlet-agent:\(version)")
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
                try await publish(site, version: "0.1.1")
                try await publish(site, version: "0.1.2")
                let wrong = try await site.martlet(
                    [
                        "publish", "--kind", "agent", site.folder.file("martlet-agent-0.1.2"), "--as",
                        "platform/martlet-agent:0.1.3",
                    ], expecting: 65)
                #expect(wrong.errors.contains("is martlet-agent 0.1.2, not 0.1.3"), "\(wrong.errors)")
                // Who may publish models is not asked for the agent.
                try await site.martlet(
                    "publish", "--kind", "agent", site.folder.file("martlet-agent-0.1.2"), "--as",
                    "clinic/martlet-agent:0.1.2")
                let stranger = try await rollOut(
                    site, "clinic/martlet-agent:0.1.2", slot: "martlet-agent", expecting: 1)
                #expect(
                    (stranger.output + stranger.errors).contains("agent releases are taken from the namespace platform")
                )
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
                try await publish(site, version: "0.1.1")
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
                // It ran, and was held for healthy at no moment.
                let passed = try await run(
                    "/usr/bin/env",
                    [
                        "sqlite3", "-readonly", device.data + "/journal.sqlite",
                        "SELECT after FROM transition WHERE slot = 'martlet-agent'",
                    ]
                ).output.split(separator: "\n")
                #expect(passed.contains("switching") && passed.last == "failed", "\(passed)")
                #expect(!passed.contains("soaking") && !passed.contains("committed"), "\(passed)")
            }
        }
    }

    @Test("an agent that ends at once is taken back after three starts, and the release before it runs again")
    func crashLoop() async throws {
        try await site("crash") { site in
            try await supervised(site) { device in
                _ = try await rollOut(site, "clinic/base:1.0.0", slot: "triage")
                try await publish(site, version: "0.1.1")
                _ = try await rollOut(site, "platform/martlet-agent:0.1.1", slot: "martlet-agent")
                let wrapper = try await crashing(site)
                try await site.martlet(
                    "publish", "--kind", "agent", wrapper, "--as", "platform/martlet-agent:0.1.9")
                let failed = try await rollOut(
                    site, "platform/martlet-agent:0.1.9", slot: "martlet-agent", expecting: 75)
                #expect((failed.output + failed.errors).contains("taken back"), "\(failed)")
                try await eventually(within: 60, "the old agent serves") {
                    try await Chat.ask(device.gateway, model: "triage", "Hello") == 200
                }
                try await eventually(within: 60, "the release before tells its version") {
                    try await version(site) == "0.1.1"
                }
                let slot = try await site.device("box").slots[try SlotName("martlet-agent")]
                #expect(slot?.current.map(\.reference) == ["platform/martlet-agent:0.1.1"])
            }
        }
    }

    @Test("an agent that is killed twice in its own replacement serves after each start, and is replaced in the end")
    func killed() async throws {
        try await site("killed") { site in
            try await supervised(site) { device in
                _ = try await rollOut(site, "clinic/base:1.0.0", slot: "triage")
                try await publish(site, version: "0.1.1")
                try await site.martlet(
                    "rollout", "start", "platform/martlet-agent:0.1.1", "--selector", "", "--slot", "martlet-agent",
                    "--soak", "1s")
                // With the trial begun, and once more as soon as another start stands there.
                for _ in 0..<2 {
                    try await eventually(within: 120, "the agent that is to be killed runs") {
                        let noted = FileManager.default.fileExists(atPath: device.data + "/agent/trial.json")
                        let isOver = FileManager.default.fileExists(atPath: device.data + "/agent/current")
                        return try (noted || isOver) && !runs(of: device).isEmpty
                    }
                    let killed = try runs(of: device)
                    for process in killed { kill(process, SIGKILL) }
                    try await eventually(within: 60, "the agent starts again") {
                        try !runs(of: device).isEmpty && Set(runs(of: device)).isDisjoint(with: killed)
                    }
                }
                try await eventually(within: 180, "the new agent is committed") {
                    let slot = try await site.device("box").slots[try SlotName("martlet-agent")]
                    return try await version(site) == "0.1.1"
                        && slot?.current.map(\.reference) == ["platform/martlet-agent:0.1.1"]
                }
                try await site.waitUntilServing("box", "triage", "clinic/base:1.0.0")
                #expect(try await Chat.ask(device.gateway, model: "triage", "Hello") == 200)
                let programs = try FileManager.default.contentsOfDirectory(atPath: device.data + "/agent/programs")
                #expect(programs.count == 1, "\(programs)")
            }
        }
    }

    @Test("one that ends again and again after its commit gives way to the one before, and that to the installed one")
    func lateCrashLoop() async throws {
        try await site("late") { site in
            try await supervised(site) { device in
                _ = try await rollOut(site, "clinic/base:1.0.0", slot: "triage")
                for version in ["0.1.1", "0.1.2"] {
                    try await publish(site, version: version)
                    _ = try await rollOut(site, "platform/martlet-agent:\(version)", slot: "martlet-agent")
                    try await tells(site, version)
                }
                let slot = try SlotName("martlet-agent")
                let (bad, before) = (try #require(current(of: device)), try #require(link("previous", of: device)))
                try await endAgain(device, bad, until: before)
                try await tells(site, "0.1.1")
                try await eventually(within: 120, "the slot is back") {
                    try await site.device("box").slots[slot]?.current.map(\.reference) == [
                        "platform/martlet-agent:0.1.1"
                    ]
                }
                try await eventually(within: 60, "the registry learns why") {
                    let events = try await site.martlet("devices", "show", "box", "--output", "json").output
                    return events.contains("martlet-agent 0.1.2 was taken back. It ended 5 times in a row")
                }
                #expect(try await Chat.ask(device.gateway, model: "triage", "Hello") == 200)
                // The one before it is no better: there is no way back to the first, only the installed program.
                try await endAgain(device, before, until: nil)
                try await tells(site, MartletVersion.text)
                try await site.waitUntilServing("box", "triage", "clinic/base:1.0.0")
                #expect(try await Chat.ask(device.gateway, model: "triage", "Hello") == 200)
                // Another release ends it, and then somebody wants the first once more.
                try await publish(site, version: "0.1.3")
                for version in ["0.1.3", "0.1.2"] {
                    #expect(current(of: device) == (version == "0.1.3" ? nil : link("current", of: device)))
                    _ = try await rollOut(site, "platform/martlet-agent:\(version)", slot: "martlet-agent")
                    try await tells(site, version)
                }
                #expect(current(of: device) == bad)
            }
        }
    }

    private func tells(_ site: Site, _ version: String) async throws {
        try await eventually(within: 120, "agent \(version) tells its version") {
            try await self.version(site) == version
        }
    }

    /// The digest of the program that proved itself last on a device; nil is the installed one.
    private func current(of device: Site.Device) -> String? { link("current", of: device) }

    private func link(_ name: String, of device: Site.Device) -> String? {
        let path = try? FileManager.default.destinationOfSymbolicLink(atPath: "\(device.data)/agent/\(name)")
        return path?.split(separator: "/").dropFirst().first.map(String.init)
    }

    /// Kills a program of the agent as soon as it runs, each time, until another has taken its place.
    private func endAgain(_ device: Site.Device, _ program: String, until other: String?) async throws {
        try await eventually(within: 180, "\(program) gives way") {
            for process in try runs(of: device) {
                let file = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/exe")
                if file?.contains(program) == true { kill(process, SIGKILL) }
            }
            let now = current(of: device)
            if now != program, now != other { throw NeverTrue(description: "\(now ?? "the installed one") runs") }
            return now == other
        }
    }

    /// The processes in which an agent of that device runs, whichever program it is.
    private func runs(of device: Site.Device) throws -> [Int32] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { name in
            guard let number = Int32(name), let bytes = FileManager.default.contents(atPath: "/proc/\(name)/cmdline")
            else { return nil }
            let words = String(decoding: bytes, as: UTF8.self).split(separator: "\0")
            return words.dropFirst().starts(with: ["run", "--data", Substring(device.data)]) ? number : nil
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

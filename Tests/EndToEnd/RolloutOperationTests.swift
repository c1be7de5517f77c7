import Foundation
import MartletAPI
import MartletTypes
import TestSupport
import Testing

/// Rollouts as an operator steers them, with the real programs and models that load in milliseconds.
@Suite("Steering rollouts", .serialized)
struct RolloutOperationTests {
    static let names = ["ward-1", "ward-2", "ward-3"]
    static let policy = """
        target: {fleet: wards, slot: triage}
        order: [ring=canary]
        waves:
          - {size: 1, confirm: true}
        soak: 1s
        thresholds:
          - {maxShare: 50%, minCompleted: 1, onFailure: rollbackAll}
        """

    @Test("plan, confirm, pause, pin, hold, retry, abort, take back, and exit codes that say how it went")
    func story() async throws {
        try await Site.ready("steering") { site in
            var devices: [Site.Device] = []
            for name in Self.names {
                let ring = name == "ward-2" ? ["site=berlin", "ring=canary"] : ["site=berlin"]
                devices.append(try await site.startDevice(name, labels: ring))
            }
            try await site.martlet("fleets", "set", "wards", "--selector", "site=berlin")
            try await site.martlet("publish", StoryTests.tiny("tiny-v1.Q4_0.gguf"), "--as", "clinic/base:1.0.0")
            try await site.martlet("publish", StoryTests.tiny("tiny-v2.Q4_0.gguf"), "--as", "clinic/base:2.0.0")
            let file = site.folder.file("wards.yaml")
            try Self.policy.write(toFile: file, atomically: true, encoding: .utf8)

            try await site.martlet(
                "rollout", "start", "clinic/base:1.0.0", "--fleet", "wards", "--slot", "triage", "--soak", "1s",
                "--wait")
            try await files(site, file)
            try await planned(site, file)
            try await confirmed(site, file)
            try await takenBack(site)
            try await aborted(site, file)
            try await heldOut(site)
            try await retried(site)
            for device in devices { #expect(try await device.process.stop() == 0) }
        }
    }

    /// Policy files are checked without a registry; what is wrong has a place.
    private func files(_ site: Site, _ file: String) async throws {
        #expect(
            try await site.martlet("rollout", "policy", "check", file).output.contains("2 waves, 0 gates, 1 threshold"))
        let example = site.folder.file("example.yaml")
        try await site.martlet("rollout", "policy", "example").output
            .write(toFile: example, atomically: true, encoding: .utf8)
        try await site.martlet("rollout", "policy", "check", example)
        let wrong = site.folder.file("wrong.yaml")
        try "soack: 10m\nwaves: [0]\n".write(toFile: wrong, atomically: true, encoding: .utf8)
        let found = try await site.martlet(["rollout", "policy", "check", wrong], expecting: 65)
        #expect(found.errors.contains("\(wrong):1:1: soack: There is no such field. Did you mean \"soak\"?"))
        #expect(found.errors.contains("\(wrong):2:9: waves[0]: "))
        struct Failure: Decodable {
            struct Issue: Decodable {
                let line: Int
                let path: String
            }
            let code: String
            let issues: [Issue]
        }
        let json = try await site.martlet(
            ["rollout", "start", "clinic/base:2.0.0", "--policy", wrong, "--output", "json"], expecting: 65)
        let failure = try JSONText.decode(Failure.self, from: Array(json.errors.utf8))
        #expect(failure.code == "policyInvalid" && failure.issues.map(\.path) == ["soack", "waves[0]"])
        try await site.martlet(["rollout", "policy", "check", "/dev/zero"], expecting: 65)
    }

    /// The plan shows waves and who is passed over; nothing happens.
    private func planned(_ site: Site, _ file: String) async throws {
        try await site.martlet("devices", "pin", "ward-3", "triage", "--reason", "the study")
        let plan = try await site.json(RolloutPlan.self, "rollout", "plan", "clinic/base:2.0.0", "--policy", file)
        #expect(plan.waves.first?.devices.map(\.text) == ["ward-2"], "the canary is first: \(plan.waves)")
        #expect(plan.skipped.map(\.device.text) == ["ward-3"] && plan.skipped.first?.code == "pinned")
        let text = try await site.martlet("rollout", "plan", "clinic/base:2.0.0", "--policy", file).output
        #expect(text.contains("waits until a person confirms") && text.contains("the study"), "\(text)")
        #expect(try await site.json([RolloutInfo].self, "rollout", "list").count == 1)
    }

    /// A wave waits for a person, whom the exit code names; pausing and resuming in between.
    private func confirmed(_ site: Site, _ file: String) async throws {
        let waited = try await site.martlet(
            ["rollout", "start", "clinic/base:2.0.0", "--policy", file, "--wait"], expecting: 75)
        #expect(waited.errors.contains("rollout confirm"), "\(waited)")
        let first = try #require(try await site.json([RolloutInfo].self, "rollout", "list").first)
        #expect(first.phase == "confirming" && first.state == .running)
        let id = first.id.text
        try await site.waitUntilServing("ward-2", "triage", "clinic/base:2.0.0")
        #expect(
            try await site.device("ward-1").slots[SlotName("triage")]?.current.map(\.reference) == ["clinic/base:1.0.0"]
        )
        try await site.martlet("rollout", "pause", id, "--reason", "lunch")
        let paused = try await site.martlet(["rollout", "watch", id], expecting: 75)
        #expect(paused.errors.contains("lunch"), "\(paused)")
        let why = try await site.martlet("rollout", "explain", id).output
        #expect(why.contains("lunch"), "\(why)")
        try await site.martlet("rollout", "resume", id)
        try await site.martlet("rollout", "confirm", id, "--reason", "ward 2 is happy")
        let watched = try await site.martlet("rollout", "watch", id, "--output", "json")
        let lines = watched.output.split(separator: "\n")
        for line in lines { _ = try JSONSerialization.jsonObject(with: Data(line.utf8)) }
        #expect(lines.last?.contains(#""kind":"end""#) == true && watched.errors.isEmpty, "\(watched)")
        try await drawn(site, id)
        let whole = try await site.martlet("rollout", "show", id).output
        #expect(whole.contains("ward 2 is happy") && whole.contains("pinned"), "\(whole)")
        #expect(
            try await site.device("ward-3").slots[SlotName("triage")]?.current.map(\.reference) == ["clinic/base:1.0.0"]
        )
        let again = try await site.martlet("rollout", "policy", "show", id).output
        let copy = site.folder.file("copy.yaml")
        try again.write(toFile: copy, atomically: true, encoding: .utf8)
        try await site.martlet("rollout", "policy", "check", copy)
        try await site.martlet("devices", "unpin", "ward-3", "triage")
    }

    /// On a terminal the view is drawn, with colours unless somebody wants none.
    private func drawn(_ site: Site, _ id: String) async throws {
        let script = "/usr/bin/script"
        guard FileManager.default.isExecutableFile(atPath: script) else { return }
        for (noColor, isColoured) in [("1", false), ("", true)] {
            var environment = site.operatorEnvironment
            environment.merge(["TERM": "xterm", "LC_ALL": "C.UTF-8", "NO_COLOR": noColor]) { $1 }
            let watch = "stty columns 90 rows 30; \(Checkout.product("martlet")) rollout watch \(id)"
            let result = try await run(script, ["-qefc", watch, "/dev/null"], environment: environment)
            #expect(result.status == 0, "\(result)")
            let plain = result.output.replacing(#/\u{1B}\[[0-9;]*m/#, with: "")
            #expect(plain.contains("Rollout \(id)") && plain.contains("█ 1/1"), "\(result.output)")
            #expect(result.output.contains("\u{1B}[32m") == isColoured, "\(result.output)")
        }
    }

    /// Back by the name of a device, a fleet, a release; the history says who and why.
    private func takenBack(_ site: Site) async throws {
        try await site.martlet("rollback", "ward-1", "--slot", "triage", "--reason", "calls at night", "--wait")
        let history = try await site.json([DeviceMove].self, "devices", "history", "ward-1")
        #expect(
            history.map { $0.releases.map(\.reference) }.prefix(3) == [
                ["clinic/base:1.0.0"], ["clinic/base:2.0.0"], ["clinic/base:1.0.0"],
            ])
        #expect(
            history.first?.reason.contains("calls at night") == true && history.first?.actor == "admin", "\(history)")
        #expect(history[1].rollout != nil)
        // A name that two things have.
        try await site.martlet("fleets", "set", "ward-1", "--selector", "site=berlin")
        let two = try await site.martlet(["rollback", "ward-1", "--slot", "triage"], expecting: 65)
        #expect(two.errors.contains("--device ward-1 or --fleet ward-1"), "\(two)")
        try await site.martlet("fleets", "delete", "ward-1")
        try await site.martlet(["rollback", "nobody"], expecting: 65)
        let release = try await site.json(RollbackAnswer.self, "rollback", "clinic/base:2.0.0", "--wait")
        #expect(release.moves.map(\.device.text) == ["ward-2"])
    }

    /// Aborted: who was moved stays moved, and whoever watches is told.
    private func aborted(_ site: Site, _ file: String) async throws {
        try await site.martlet(["rollout", "start", "clinic/base:2.0.0", "--policy", file, "--wait"], expecting: 75)
        let id = try #require(try await site.json([RolloutInfo].self, "rollout", "list").first).id.text
        try await site.martlet("rollout", "abort", id, "--reason", "the other one first")
        let told = try await site.martlet(["rollout", "watch", id], expecting: 1)
        #expect(told.errors.contains("the other one first"), "\(told)")
        // A rollout by its name alone: every device that it moved.
        let back = try await site.json(RollbackAnswer.self, "rollback", id, "--wait")
        #expect(back.moves.map(\.device.text) == ["ward-2"])
    }

    /// Nobody takes part: a script must not believe that something was moved.
    private func heldOut(_ site: Site) async throws {
        for name in Self.names {
            try await site.martlet("devices", "hold", name, "--reason", "inventory", "--valid", "1h")
        }
        #expect(try await site.device("ward-1").hold?.reason == "inventory")
        let result = try await site.martlet(
            ["rollout", "start", "clinic/base:2.0.0", "--fleet", "wards", "--slot", "triage", "--wait"], expecting: 1)
        #expect(result.errors.contains("moved no device"), "\(result)")
        for name in Self.names { try await site.martlet("devices", "release", name) }
        try await site.martlet(["devices", "release", "ward-1"], expecting: 65)
    }

    /// Devices that could not are tried again, and can now.
    private func retried(_ site: Site) async throws {
        let blob = Digest.of(
            Array(try Data(contentsOf: URL(fileURLWithPath: StoryTests.tiny("tiny-v1.Q8_0.gguf"))))
        ).hex
        try await site.martlet("publish", StoryTests.tiny("tiny-v1.Q8_0.gguf"), "--as", "clinic/base:3.0.0")
        let stored = try #require(StoryTests.files(under: site.registryData).first { $0.hasSuffix(blob) })
        try StoryTests.flipByte(of: stored)
        let start = try await site.json(
            RolloutInfo.self, "rollout", "start", "clinic/base:3.0.0", "--selector", "ring=canary", "--slot", "triage",
            "--soak", "1s", "--deadline", "2m", "--max-failures", "5")
        let id = start.id.text
        try await site.martlet(["rollout", "watch", id], expecting: 1)
        try StoryTests.flipByte(of: stored)
        try await site.martlet("rollout", "retry", id, "ward-2", "--reason", "the blob is mended")
        try await site.martlet("rollout", "watch", id)
        try await site.waitUntilServing("ward-2", "triage", "clinic/base:3.0.0")
    }
}

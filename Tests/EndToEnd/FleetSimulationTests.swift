import Foundation
import MartletAPI
import MartletTypes
import TestSupport
import Testing
import Trust

/// A real registry and a fleet of simulated devices, as an operator without a fleet tries rollouts.
@Suite("A simulated fleet, end to end", .serialized)
struct FleetSimulationTests {
    /// What the simulator's summary says.
    struct Figures: Decodable {
        let enrolled: Int
        let assignments: Int
        let outcomes: [String: Int]
        let distrusted: [String: Int]
        let refusals: [String: Int]
    }

    @Test("fifty devices install a release in waves, whatever the manners in which they report, and go back from disk")
    func completes() async throws {
        try await Site.ready("fleet") { site in
            try await publish("1.0.0", in: site)
            try await publish("2.0.0", in: site)
            let fleet = try await start(
                50, in: site,
                """
                timeScale: 30
                labels: {site: {berlin: 1, paris: 1}}
                hardware: {raspberry-pi-5: 3, generic: 1}
                clockSkewSeconds: {normal: [0, 60]}
                requests: {everySeconds: 120}
                reports: {lateSeconds: {exponential: 30}, doubled: 0.3, reversed: 0.5, repeatedLater: 0.3,
                          lostAnswer: 0.2}
                """)
            try await site.martlet("fleets", "set", "all", "--selector", "")
            for version in ["1.0.0", "2.0.0"] {
                try await site.martlet(
                    "rollout", "start", "clinic/triage:" + version, "--fleet", "all", "--slot", "triage", "--wave",
                    "10",
                    "--soak", "1s", "--wait")
            }
            try await eventually(within: 120, "every device serves 2.0.0") {
                let devices = try await site.json([DeviceInfo].self, "devices", "list")
                return devices.count == 50
                    && devices.allSatisfy { $0.slots.values.first?.current.map(\.version.text) == ["2.0.0"] }
            }
            try await site.martlet("rollback", "--fleet", "all", "--slot", "triage", "--reason", "to see it")
            try await eventually(within: 120, "every device serves 1.0.0 again") {
                let devices = try await site.json([DeviceInfo].self, "devices", "list")
                return devices.allSatisfy { $0.slots.values.first?.current.map(\.version.text) == ["1.0.0"] }
            }
            let figures = try await stop(fleet)
            #expect(figures.enrolled == 50 && figures.distrusted.isEmpty && figures.refusals.isEmpty)
            // Reports of the way back may still be under way.
            #expect(figures.outcomes["succeeded"] ?? 0 >= 100 && figures.outcomes["failed"] == nil)
        }
    }

    @Test("a release that fails on a third of the devices is stopped in its first waves, and the rest never gets it")
    func stops() async throws {
        try await Site.ready("fleet") { site in
            try await publish("1.0.0", in: site)
            try await publish("2.0.0", in: site)
            let fleet = try await start(
                40, in: site,
                """
                timeScale: 30
                effects:
                  - release: clinic/triage:2.0.0
                    failure: {share: 0.35, at: probing, code: evaluationFailed}
                """)
            try await site.martlet("fleets", "set", "all", "--selector", "")
            try await site.martlet(
                "rollout", "start", "clinic/triage:1.0.0", "--fleet", "all", "--slot", "triage", "--soak", "1s",
                "--wait")
            let start = try await run(
                Checkout.product("martlet"),
                [
                    "rollout", "start", "clinic/triage:2.0.0", "--fleet", "all", "--slot", "triage", "--wave", "10",
                    "--wave", "20", "--max-failures", "2", "--soak", "1s", "--wait",
                ], environment: site.operatorEnvironment)
            #expect(start.status != 0, "a rollout that stopped is no success: \(start.output)")
            let devices = try await site.json([DeviceInfo].self, "devices", "list")
            let moved = devices.count { $0.slots.values.first?.current.map(\.version.text) == ["2.0.0"] }
            #expect(moved < 20, "\(moved) of 40 serve what fails on a third")
            let figures = try await stop(fleet)
            #expect(figures.outcomes["failed"] ?? 0 >= 3)
        }
    }

    @Test("devices that were away come back and catch up straight to the current release")
    func catchesUp() async throws {
        try await Site.ready("fleet") { site in
            for version in ["1.0.0", "2.0.0", "3.0.0"] { try await publish(version, in: site) }
            let fleet = try await start(
                20, in: site,
                """
                timeScale: 20
                away: {share: 0.5, hereSeconds: {uniform: [60, 200]}, awaySeconds: {uniform: [60, 300]}}
                """)
            try await site.martlet("fleets", "set", "all", "--selector", "")
            for version in ["1.0.0", "2.0.0", "3.0.0"] {
                try await site.martlet(
                    "rollout", "start", "clinic/triage:" + version, "--fleet", "all", "--slot", "triage", "--soak", "1s"
                )
            }
            try await eventually(within: 180, "every device serves 3.0.0") {
                let devices = try await site.json([DeviceInfo].self, "devices", "list")
                return devices.count == 20
                    && devices.allSatisfy { $0.slots.values.first?.current.map(\.version.text) == ["3.0.0"] }
            }
            _ = try await stop(fleet)
        }
    }

    @Test("the simulator says what is wrong with its profile or token, and exits so")
    func refuses() async throws {
        let folder = try TemporaryFolder("fleet")
        try "away: {shares: 1}".write(toFile: folder.file("bad.yaml"), atomically: true, encoding: .utf8)
        let simulator = Checkout.product("martlet-fleetsim")
        let badToken = try await run(simulator, ["run", "--join-token", "nonsense"])
        #expect(badToken.status == EX_USAGE && !badToken.errors.contains("nonsense"))
        let zeros = String(repeating: "0", count: 64)
        let token = try JoinToken(
            registry: "https://127.0.0.1:1", rootDigest: try Digest("sha256:" + zeros), caFingerprint: zeros,
            secret: "s"
        ).text()
        let badProfile = try await run(
            simulator, ["run", "--join-token", token, "--profile", folder.file("bad.yaml")])
        #expect(badProfile.status == EX_USAGE && badProfile.errors.contains("shares"), "\(badProfile.errors)")
        let nobody = try await run(simulator, ["run", "--join-token", token, "--devices", "1"])
        #expect(nobody.status == EX_UNAVAILABLE, "\(nobody.errors)")
    }

    private func publish(_ version: String, in site: Site) async throws {
        try await site.martlet(
            "publish", Checkout.fixture("models/tiny/tiny-v1.Q4_0.gguf"), "--as", "clinic/triage:" + version)
    }

    /// Starts a fleet and waits until it is enrolled.
    private func start(_ devices: Int, in site: Site, _ profile: String) async throws -> RunningProcess {
        let (join, file) = (site.folder.file("fleet.join"), site.folder.file("fleet.yaml"))
        try await site.martlet("token", "join", "--uses", String(devices), "--valid", "1h").output
            .write(toFile: join, atomically: true, encoding: .utf8)
        try profile.write(toFile: file, atomically: true, encoding: .utf8)
        let fleet = try RunningProcess(
            Checkout.product("martlet-fleetsim"),
            ["run", "--join-file", join, "--devices", String(devices), "--profile", file, "--output", "json"],
            log: site.folder.file("fleet.log"))
        try await eventually(within: 120, "the fleet is enrolled\n\(fleet.output)") {
            guard fleet.isRunning else { throw NeverTrue(description: "the fleet ended: \(fleet.output)") }
            let enrolled = try await site.json([DeviceInfo].self, "devices", "list")
            return enrolled.count == devices
        }
        return fleet
    }

    /// Ends it as Ctrl-C does, and reads its summary.
    private func stop(_ fleet: RunningProcess) async throws -> Figures {
        fleet.signal(SIGINT)
        #expect(try await fleet.exitCode(within: 60) == 0, "\(fleet.output)")
        return try JSONText.decode(Figures.self, from: Array(fleet.output.utf8))
    }
}

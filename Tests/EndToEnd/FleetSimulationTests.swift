import Foundation
import MartletAPI
import MartletTypes
import TestSupport
import Testing
import Trust

/// A real registry and a fleet of simulated devices, as an operator without a fleet tries rollouts.
@Suite("A simulated fleet, end to end", .serialized)
struct FleetSimulationTests {
    @Test("fifty devices install a release in waves, whatever the manners in which they report, and go back from disk")
    func completes() async throws {
        try await Site.ready("fleet") { site in
            try await site.publishTiny("1.0.0")
            try await site.publishTiny("2.0.0")
            let fleet = try await site.startFleet(
                50,
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
            let figures = try await fleet.stop()
            #expect(figures.enrolled == 50 && figures.distrusted.isEmpty && figures.refusals.isEmpty)
            // Reports of the way back may still be under way.
            #expect(figures.outcomes["succeeded"] ?? 0 >= 100 && figures.outcomes["failed"] == nil)
        }
    }

    @Test("a release that fails on a third of the devices is stopped in its first waves, and the rest never gets it")
    func stops() async throws {
        try await Site.ready("fleet") { site in
            try await site.publishTiny("1.0.0")
            try await site.publishTiny("2.0.0")
            let fleet = try await site.startFleet(
                40,
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
            let figures = try await fleet.stop()
            #expect(figures.outcomes["failed"] ?? 0 >= 3)
        }
    }

    @Test("a rollout of many devices is shown in part, and whole where that is asked for")
    func shown() async throws {
        try await Site.ready("fleet") { site in
            try await site.publishTiny("1.0.0")
            let fleet = try await site.startFleet(210, "timeScale: 30")
            let rollout = try await site.json(
                RolloutInfo.self, "rollout", "start", "clinic/triage:1.0.0", "--selector", "", "--slot", "triage")
            let text = try await site.martlet("rollout", "show", rollout.id.text).output
            #expect(text.contains("10 more devices; --all shows them"), "\(text)")
            let whole = try await site.martlet("rollout", "show", rollout.id.text, "--all").output
            #expect(whole.contains("Devices (210)"), "\(whole.prefix(2000))")
            let info = try await site.json(RolloutInfo.self, "rollout", "show", rollout.id.text)
            #expect(Set(info.devices?.map(\.device) ?? []).count == 210 && info.devicesLeft == nil)
            #expect(try await fleet.stop().enrolled == 210)
        }
    }

    @Test("devices that were away come back and catch up straight to the current release")
    func catchesUp() async throws {
        try await Site.ready("fleet") { site in
            for version in ["1.0.0", "2.0.0", "3.0.0"] { try await site.publishTiny(version) }
            let fleet = try await site.startFleet(
                20,
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
            _ = try await fleet.stop()
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
}

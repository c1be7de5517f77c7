import Foundation
import MartletAPI
import MartletTypes
import TestSupport
import Testing

/// A fleet of simulated devices that runs.
struct SimulatedFleet: Sendable {
    /// What the simulator's summary says.
    struct Figures: Decodable {
        let enrolled: Int
        let assignments: Int
        let outcomes: [String: Int]
        let distrusted: [String: Int]
        let refusals: [String: Int]
    }

    let process: RunningProcess

    /// Ends it as Ctrl-C does, and reads its summary.
    func stop() async throws -> Figures {
        process.signal(SIGINT)
        #expect(try await process.exitCode(within: 60) == 0, "\(process.output)")
        return try JSONText.decode(Figures.self, from: Array(process.output.utf8))
    }
}

extension Site {
    /// Publishes a small model as this version of `clinic/triage`.
    func publishTiny(_ version: String) async throws {
        try await martlet(
            "publish", Checkout.fixture("models/tiny/tiny-v1.Q4_0.gguf"), "--as", "clinic/triage:" + version)
    }

    /// Starts a fleet by a profile and waits until it is enrolled.
    func startFleet(_ devices: Int, _ profile: String) async throws -> SimulatedFleet {
        let (join, file) = (folder.file("fleet.join"), folder.file("fleet.yaml"))
        try await martlet("token", "join", "--uses", String(devices), "--valid", "1h").output
            .write(toFile: join, atomically: true, encoding: .utf8)
        try profile.write(toFile: file, atomically: true, encoding: .utf8)
        let process = try RunningProcess(
            Checkout.product("martlet-fleetsim"),
            ["run", "--join-file", join, "--devices", String(devices), "--profile", file, "--output", "json"],
            log: folder.file("fleet.log"))
        try await eventually(within: 120, "the fleet is enrolled\n\(process.output)") {
            guard process.isRunning else { throw NeverTrue(description: "the fleet ended: \(process.output)") }
            return try await self.json([DeviceInfo].self, "devices", "list").count == devices
        }
        return SimulatedFleet(process: process)
    }
}

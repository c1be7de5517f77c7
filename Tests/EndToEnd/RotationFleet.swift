import Foundation
import MartletAPI
import MartletTypes
import TestSupport
import Testing

/// Two devices for the tests of rotation: `ward-1` runs all the time, `ward-2` is switched off and comes back.
///
/// `@unchecked Sendable`: `devices` is touched behind the lock only.
final class RotationFleet: @unchecked Sendable {
    /// What a device keeps of whom it believes.
    struct Identity: Decodable, Sendable {
        let registry: String
        let certificate: String
        let authorities: [String]
    }

    let site: Site
    private let lock = NSLock()
    private var devices: [String: Site.Device] = [:]

    init(site: Site) { self.site = site }

    var keys: String { site.folder.file("operator/keys") }

    func start() async throws {
        try await site.startRegistry()
        try await site.initializeTrust()
        for name in ["ward-1", "ward-2"] {
            let device = try await site.startDevice(name)
            lock.withLock { devices[name] = device }
        }
        try await site.martlet("fleets", "set", "wards", "--selector", "site=berlin")
        try await install("1.0.0")
        let off = try #require(lock.withLock { devices.removeValue(forKey: "ward-2") })
        #expect(try await off.process.stop() == 0, "\(off.process.output.suffix(3000))")
    }

    func stop() async throws {
        for device in lock.withLock({ Array(devices.values) }) {
            #expect(try await device.process.stop() == 0, "\(device.process.output.suffix(3000))")
        }
        try await site.stopRegistry()
    }

    /// Switches `ward-2` on again.
    func comesBack() async throws {
        let device = try await site.startAgent("ward-2")
        lock.withLock { devices["ward-2"] = device }
    }

    /// Runs `martlet trust …` with the owner's and publishers' keys.
    @discardableResult
    func trust(_ arguments: String...) async throws -> Finished {
        try await site.martlet(["trust"] + arguments + ["--keys", keys, "--no-passphrase"], expecting: 0)
    }

    @discardableResult
    func publish(_ version: String) async throws -> Finished {
        try await site.martlet(
            "publish", Checkout.fixture("models/tiny/tiny-v1.Q4_0.gguf"), "--as", "clinic/base:\(version)")
    }

    /// Publishes a release and waits until the named devices serve it.
    func install(_ version: String, on names: [String] = ["ward-1", "ward-2"]) async throws {
        try await publish(version)
        try await rollOut(version, on: names)
    }

    /// Rolls a release out to those that run.
    func rollOut(_ version: String, on names: [String] = ["ward-1", "ward-2"]) async throws {
        try await site.martlet(
            "rollout", "start", "clinic/base:\(version)", "--fleet", "wards", "--slot", "triage", "--soak", "1s")
        for name in names {
            do {
                try await site.waitUntilServing(name, "triage", "clinic/base:\(version)")
            } catch {
                let log = lock.withLock { devices[name]?.process.output.suffix(4000) } ?? ""
                Issue.record("\(name) does not serve \(version): \(log)\n\(site.registryLog.suffix(2000))")
                throw error
            }
        }
    }

    /// What the devices keep, by name.
    func identities() throws -> [String: Identity] {
        try ["ward-1", "ward-2"].reduce(into: [:]) { identities, name in
            let path = site.folder.file("devices/\(name)/identity/device.json")
            identities[name] = try JSONText.decode(
                Identity.self, from: Array(try Data(contentsOf: URL(fileURLWithPath: path))))
        }
    }
}

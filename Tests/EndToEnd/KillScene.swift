import Foundation
import MartletTypes
import TestSupport
import Testing

/// One device whose disk the test cuts off, and a registry that keeps giving it other releases.
final class KillScene: @unchecked Sendable {
    static let slot = "s"
    /// Of other content each, so that what comes next is never among the two that the device keeps.
    static let models = ["tiny-v1.Q4_0.gguf", "tiny-v2.Q4_0.gguf", "tiny-v1.Q4_K_M.gguf", "tiny-v2.Q8_0.gguf"]

    let site: Site
    let disk: PowerLoss
    /// Used by one test at a time.
    private(set) var device: Site.Device
    private(set) var serving: String
    private var installed = 0
    private var unclean = 0

    var folder: DataFolder { DataFolder(path: device.data) }

    private init(_ site: Site, _ disk: PowerLoss, _ device: Site.Device) {
        (self.site, self.disk, self.device) = (site, disk, device)
        serving = ""
    }

    /// A device that serves the first of the releases, its agent with the cut-off disk below it.
    static func start(_ name: String) async throws -> KillScene {
        let site = try Site(name)
        try await site.startRegistry()
        try await site.initializeTrust()
        for (number, model) in models.enumerated() {
            try await site.martlet("publish", StoryTests.tiny(model), "--as", "clinic/m\(number):1.0.0")
        }
        let first = try await site.startDevice("w1")
        #expect(try await first.process.stop() == 0)
        let disk = try await PowerLoss(first.data)
        let device = try await site.startAgent("w1", environment: disk.environment)
        let scene = KillScene(site, disk, device)
        try await scene.assign()
        try await scene.settle()
        return scene
    }

    /// What is to be installed next.
    var next: String { "clinic/m\(installed % Self.models.count):1.0.0" }

    /// Lets the registry assign the next release.
    func assign() async throws {
        try await site.martlet(
            "rollout", "start", next, "--selector", "site=berlin", "--slot", Self.slot, "--soak", "0s")
        installed += 1
    }

    /// The release that was assigned last.
    var assigned: String { "clinic/m\((installed - 1) % Self.models.count):1.0.0" }

    /// Waits until what was assigned last is committed, and nothing is left of the way there.
    func settle() async throws {
        try await eventually(within: 120, "\(assigned) is committed\n\(device.process.lastWords)") {
            guard self.device.process.isRunning else { throw NeverTrue(description: self.device.process.output) }
            guard let slot = try self.folder.slots().first else { return false }
            return slot.phase == "committed" && slot.current == Self.path(self.assigned)
        }
        serving = assigned
        try await noLeaks()
    }

    /// Waits until there is nothing on the disk that no slot needs, and no engine but the one that serves.
    func noLeaks() async throws {
        let folder = folder
        var last: [String] = []
        let end = ContinuousClock.now + .seconds(60)
        while ContinuousClock.now < end {
            last = try folder.leaks()
            let engines = folder.engines()
            if engines.count != 1 { last.append("engines \(engines)") }
            if last.isEmpty { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw NeverTrue(description: "left behind: \(last)\n\(device.process.lastWords)")
    }

    /// Waits for the cut that was ordered; false where the agent lives on because what it was ordered at did not come.
    func awaitCut(within seconds: Double = 120) async throws -> Bool {
        do {
            _ = try await device.process.exitCode(within: seconds, isPatient: false)
            return true
        } catch is NeverTrue {
            return false
        }
    }

    /// Starts the agent again after its death and looks what serves: the old or the new release, whole.
    func comeBack(_ what: String) async throws {
        disk.reset()
        let old = serving
        let new = assigned
        device = try await site.startAgent("w1", gateway: device.gateway, environment: disk.environment)
        let device = device
        try await eventually(within: 90, "\(what): it serves\n\(device.process.lastWords)") {
            guard device.process.isRunning else { throw NeverTrue(description: device.process.output) }
            return try await Chat.ask(device.gateway, model: Self.slot, "hello") == 200
        }
        let committed = try folder.slots().first?.current
        let known = [Self.path(old), Self.path(new)]
        #expect(committed.map(known.contains) ?? false, "\(what): \(committed ?? "nothing") is committed")
        #expect(try folder.rotten() == [], "\(what)")
        unclean += 1
    }

    /// An agent that dies five times in a row tries no candidate for a while; one that was asked to stop begins anew.
    func stopOrderlyNowAndThen() async throws {
        if unclean >= 3 { try await restartOrderly() }
    }

    /// Stops the agent as a person does, and starts it again.
    func restartOrderly() async throws {
        unclean = 0
        #expect(try await device.process.stop(within: 60) == 0, "\(device.process.lastWords)")
        device = try await site.startAgent("w1", gateway: device.gateway, environment: disk.environment)
        let device = device
        try await eventually(within: 60, "it serves again") {
            try await Chat.ask(device.gateway, model: Self.slot, "hello") == 200
        }
    }

    func kill() { device.process.signal(SIGKILL) }

    func end() async throws {
        let folder = folder
        #expect(try await device.process.stop(within: 60) == 0, "\(device.process.lastWords)")
        try await eventually(within: 20, "no engine outlives its agent") { folder.engines().isEmpty }
        try await site.stopRegistry()
    }

    /// `clinic/m0:1.0.0` as records write it.
    static func path(_ reference: String) -> String { reference.replacingOccurrences(of: ":", with: "/") }
}

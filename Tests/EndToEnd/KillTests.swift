import Foundation
import MartletTypes
import TestSupport
import Testing

/// The real agent killed, or its box's power cut, while it installs under load: at each journaled step, and anywhere.
///
/// `make test` takes a sample; `make test-full` all steps and 500 instants.
@Suite("An agent that is killed", .serialized)
struct KillTests {
    private static let scale = ProcessInfo.processInfo.environment["MARTLET_SCALE"].flatMap(Int.init) ?? 1
    /// Instants at which the agent is killed.
    private static let instants = scale > 1 ? 20 * scale : 6
    /// Every n-th journaled step is tried.
    private static let stride: Int64 = scale > 1 ? 1 : 9

    @Test("comes back with the old or the new release, whole, and leaves nothing behind: at journaled steps")
    func steps() async throws {
        #expect(Checkout.llamaServer != nil, "llama-server is missing; `make test` obtains it")
        let scene = try await KillScene.start("ks")
        let disk = scene.disk
        let load = try scene.site.startLoad([scene.device.gateway], slot: KillScene.slot, eval: StoryTests.seen)
        // How many steps an installation takes here; measurements are journaled too, so it is about that.
        let before = disk[.steps]
        try await scene.assign()
        try await scene.settle()
        let steps = max(8, disk[.steps] - before)
        var (tried, skipped) = (0, [String]())
        for isOnDisk in [true, false] {
            for step in Swift.stride(from: Int64(isOnDisk ? 1 : 4), through: steps, by: Int(Self.stride)) {
                tried += 1
                let what = "cut \(isOnDisk ? "after" : "in") step \(step) of \(steps)"
                try await scene.stopOrderlyNowAndThen()
                disk[.keepSome] = step % 2
                disk[.seed] = step
                disk[isOnDisk ? .cutAtStep : .cutInStep] = disk[.steps] + step
                try await scene.assign()
                // The last steps are those of an idle agent, which journals its measurements in its own time.
                guard try await scene.awaitCut(within: 120) else {
                    skipped.append(what)
                    disk.reset()
                    try await scene.settle()
                    continue
                }
                try await scene.comeBack(what)
                try await scene.settle()
            }
        }
        #expect(skipped.isEmpty, "these did not come about: \(skipped.joined(separator: "; "))")
        load.process.signal(SIGTERM)
        try await scene.end()
        print("killed at \(tried) journaled steps (\(steps) in an installation; before and after each)")
    }

    @Test("comes back with the old or the new release, whole, and leaves nothing behind: at any instant")
    func instants() async throws {
        #expect(Checkout.llamaServer != nil, "llama-server is missing; `make test` obtains it")
        let scene = try await KillScene.start("ki")
        let load = try scene.site.startLoad([scene.device.gateway], slot: KillScene.slot, eval: StoryTests.seen)
        let seed = UInt64.random(in: 0...UInt64(Int64.max))
        print("seed \(seed)")
        var random = SeededGenerator(seed: seed)
        // What an installation takes, from the command to the commit.
        let start = ContinuousClock.now
        try await scene.assign()
        try await scene.settle()
        let time = ContinuousClock.now - start
        var figures = (power: 0, process: 0)
        for number in 1...Self.instants {
            try await scene.stopOrderlyNowAndThen()
            let delay = time * Double.random(in: 0...1, using: &random)
            let isPower = Bool.random(using: &random)
            let what = "instant \(number), \(isPower ? "power cut" : "SIGKILL") after \(delay) (seed \(seed))"
            scene.disk[.keepSome] = Int64.random(in: 0...1, using: &random)
            scene.disk[.seed] = Int64.random(in: 0...Int64.max, using: &random)
            async let assigned: Void = scene.assign()
            try await Task.sleep(for: delay)
            if isPower { scene.disk.cut() } else { scene.kill() }
            try await assigned
            #expect(try await scene.awaitCut(), "\(what): it is dead")
            if isPower { figures.power += 1 } else { figures.process += 1 }
            try await scene.comeBack(what)
            try await scene.settle()
        }
        load.process.signal(SIGTERM)
        try await scene.end()
        print("killed at \(figures.power) instants with loss of what was not synchronised, \(figures.process) without")
    }
}

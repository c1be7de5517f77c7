import Foundation
import MartletAPI
import MartletTypes
import Telemetry
import TestSupport
import Testing
import Trust

@testable import FleetSimulation

@Suite("A simulated device")
struct DeviceMachineTests {
    private static let whole: [DeviceRolloutState] = [
        .downloading, .verifying, .probing, .switching, .soaking, .succeeded,
    ]

    private func registry(
        number: Int = 0, seed: UInt64 = 1, _ adjust: (inout FleetProfile) throws -> Void = { _ in }
    ) throws -> SimulatedRegistry {
        var profile = FleetProfile()
        profile.clockSkewSeconds = .constant(0)
        try adjust(&profile)
        let traits = try DeviceTraits(number: number, seed: seed, prefix: "sim", profile: profile)
        return SimulatedRegistry(traits, profile, seed: seed)
    }

    @Test("installs what is assigned, through every stage, and says what it runs")
    func installs() throws {
        var registry = try registry()
        try registry.assign("clinic/triage/1.0.0")
        registry.run(for: .seconds(3600))
        #expect(registry.states(of: 1) == Self.whole)
        let slot = try #require(registry.inventory?.slots[SlotName("triage")])
        #expect(slot.current.map(\.reference) == ["clinic/triage:1.0.0"] && slot.previous.isEmpty && slot.serving)
        #expect(registry.taken.last?.figures?.evaluation?.rows == SimulationLimits.evaluationRows)
        #expect(registry.problems == [])
    }

    @Test("goes back to what is on its disk without a download, and empties a slot that is not assigned any more")
    func goesBack() throws {
        var registry = try registry()
        for path in ["clinic/triage/1.0.0", "clinic/triage/2.0.0", "clinic/triage/1.0.0"] {
            try registry.assign(path)
            registry.run(for: .seconds(3600))
        }
        #expect(registry.states(of: 2) == Self.whole)
        #expect(registry.states(of: 3) == [.probing, .switching, .succeeded])
        let slot = try #require(registry.inventory?.slots[SlotName("triage")])
        #expect(slot.current.map(\.reference) == ["clinic/triage:1.0.0"])
        #expect(slot.previous.map(\.reference) == ["clinic/triage:2.0.0"])
        try registry.assign(nil)
        registry.run(for: .seconds(3600))
        #expect(registry.inventory?.slots.isEmpty == true)
    }

    @Test(
        "fails where the profile says so, and what served before serves on",
        arguments: [DeviceRolloutState.downloading, .verifying, .probing, .switching, .soaking])
    func fails(stage: DeviceRolloutState) throws {
        var registry = try registry { profile in
            var effect = ReleaseEffect(release: try ReleasePath("clinic/triage/2.0.0"), devices: try LabelSelector(""))
            effect.failure = .init(share: 1, at: stage, code: "engineExited")
            profile.effects = [effect]
        }
        try registry.assign("clinic/triage/1.0.0")
        registry.run(for: .seconds(3600))
        try registry.assign("clinic/triage/2.0.0")
        registry.run(for: .seconds(3600))
        let states = registry.states(of: 2)
        #expect(states.last == .failed && states.dropLast().last == stage)
        #expect(registry.taken.last?.code == "engineExited")
        let slot = try #require(registry.inventory?.slots[SlotName("triage")])
        #expect(slot.current.map(\.reference) == ["clinic/triage:1.0.0"])
        #expect(slot.override?.hasPrefix("engineExited") == true)
    }

    @Test("takes up a newer assignment in the midst of an installation, and the old one says no more")
    func superseded() throws {
        var registry = try registry { $0.linkMegabits = .constant(8) }
        try registry.assign("clinic/triage/1.0.0")
        registry.run(for: .seconds(10))
        #expect(registry.states(of: 1) == [.downloading])
        try registry.assign("clinic/triage/2.0.0")
        registry.run(for: .seconds(3600))
        #expect(registry.states(of: 1) == [.downloading] && registry.states(of: 2) == Self.whole)
    }

    @Test("a device that goes away does nothing there, and catches up to the newest assignment alone")
    func away() throws {
        var registry = try registry { profile in
            profile.away.share = 1
            profile.away.hereSeconds = .constant(300)
            profile.away.awaySeconds = .constant(1800)
        }
        try registry.assign("clinic/triage/1.0.0")
        registry.run(for: .seconds(86_400)) { $0.absences == 1 }
        try registry.assign("clinic/triage/2.0.0")
        try registry.assign("clinic/triage/3.0.0")
        registry.run(for: .seconds(86_400)) { $0.states(of: 3).last == .succeeded }
        #expect(registry.states(of: 2) == [] && registry.states(of: 3) == Self.whole)
        #expect(registry.problems == [] && registry.absences >= 1)
    }

    @Test("everything goes as much faster as the profile says")
    func timeScale() throws {
        func seconds(_ scale: Double) throws -> Double {
            var registry = try registry { $0.timeScale = scale }
            try registry.assign("clinic/triage/1.0.0")
            let start = registry.now
            registry.run(for: .seconds(36_000)) { $0.states(of: 1).last == .succeeded }
            return Double((registry.now - start).components.seconds)
        }
        let (slow, fast) = (try seconds(1), try seconds(20))
        #expect(fast < slow / 5, "\(slow) s, and \(fast) s at twenty times the speed")
    }

    @Test("measurements are exported at intervals, slower by what the release is slower")
    func measurements() throws {
        var effect = ReleaseEffect(release: try ReleasePath("clinic/triage/2.0.0"), devices: try LabelSelector(""))
        effect.slowerPercent = 50
        var means: [String: Double] = [:]
        for path in ["clinic/triage/1.0.0", "clinic/triage/2.0.0"] {
            var profile = FleetProfile()
            profile.effects = [effect]
            let traits = try DeviceTraits(number: 0, seed: 1, prefix: "sim", profile: profile)
            var machine = DeviceMachine(traits: traits, plan: FleetPlan(profile: profile, seed: 1))
            var slot = SimulatedSlot(measuredSince: Timestamp(seconds: 0))
            var registry = SimulatedRegistry(traits, profile)
            try registry.assign(path)
            let wanted = try #require(registry.assignment?.slots[SlotName("triage")])
            slot.current = SimulatedSlot.Generation(
                wanted, ReleaseInfluence(wanted.releases.map(\.path), on: traits, profile: profile, attempt: 0))
            machine.slots[try SlotName("triage")] = slot
            machine.measureAll(until: Timestamp(seconds: 900))
            let interval = try #require(machine.intervals.first)
            #expect((120...240).contains(interval.requests), "12 a minute for a quarter of an hour")
            means[path] = interval.duration.mean
        }
        let ratio = (means["clinic/triage/2.0.0"] ?? 0) / (means["clinic/triage/1.0.0"] ?? 1)
        #expect((1.3...1.7).contains(ratio), "\(ratio)")
        var registry = try registry()
        registry.run(for: .seconds(600))
        #expect((9...11).contains(registry.exports.count) && registry.exports == registry.exports.sorted())
    }

    @Test("a registry that refuses for good ends the device, one that is busy does not")
    func refusals() throws {
        var registry = try registry()
        guard case .enrol = registry.machine.next(now: registry.now) else {
            throw NeverTrue(description: "no enrolment")
        }
        registry.machine.take(.refused(status: 503, code: "busy", retryAfterSeconds: 2), now: registry.now)
        guard case .rest = registry.machine.next(now: registry.now) else { throw NeverTrue(description: "no rest") }
        let later = registry.now + .seconds(60)
        guard case .enrol = registry.machine.next(now: later) else { throw NeverTrue(description: "no enrolment") }
        registry.machine.take(.refused(status: 403, code: "joinTokenRefused", retryAfterSeconds: nil), now: later)
        guard case .end = registry.machine.next(now: later) else { throw NeverTrue(description: "it goes on") }
        #expect(registry.machine.refusal == "joinTokenRefused")
    }

    @Test("through losses, refusals, absences and any manners each report arrives once and in order, each end is told")
    func anyHistory() throws {
        let scale = ProcessInfo.processInfo.environment["MARTLET_SCALE"].flatMap(Int.init) ?? 1
        let lives = 60 * scale
        for seed in 0..<UInt64(lives) {
            var dice = SeededRandom(seed: seed, "history")
            var registry = try registry(number: Int(seed % 7), seed: seed) { profile in
                profile.reports.doubled = dice.unit() / 2
                profile.reports.reversed = dice.unit() / 2
                profile.reports.repeatedLater = dice.unit() / 2
                profile.reports.lostAnswer = dice.unit() / 2
                profile.reports.lateSeconds = .exponential(mean: 20 * dice.unit())
                profile.away.share = dice.unit()
                profile.clockSkewSeconds = .normal(mean: 0, deviation: 300)
                profile.requests.everySeconds = 900
                var effect = ReleaseEffect(devices: try LabelSelector(""))
                effect.failure = .init(share: 0.3, at: .soaking, code: "engineExited", isTransient: true)
                profile.effects = [effect]
            }
            registry.lossRate = dice.unit() * 0.4
            registry.refusalRate = dice.unit() * 0.2
            for step in 1...6 {
                try registry.assign("clinic/triage/\(1 + Int(dice.next() % 3)).0.0")
                registry.run(for: .seconds(step == 6 ? 86_400 : Int64(dice.next() % 900))) {
                    step == 6 && $0.states(of: 6).last?.isFinal == true && $0.machine.outbox.isEmpty
                }
            }
            #expect(registry.problems == [], "seed \(seed)")
            #expect(registry.machine.number == 6, "seed \(seed)")
            #expect(registry.states(of: 6).last?.isFinal == true, "seed \(seed): \(registry.states(of: 6))")
            for generation in Int64(1)...6 {
                let ends = registry.states(of: generation).filter(\.isFinal)
                #expect(ends.count <= 1, "seed \(seed): generation \(generation) ended \(ends.count) times")
            }
            #expect(registry.machine.outbox.isEmpty, "seed \(seed)")
        }
    }

    @Test("manners do what they say: batches come twice, in disorder, and after newer ones")
    func manners() throws {
        var registry = try registry { profile in
            profile.reports.doubled = 0.5
            profile.reports.reversed = 0.9
            profile.reports.repeatedLater = 0.9
            profile.reports.lateSeconds = .uniform(0, 120)
        }
        for version in 1...6 {
            try registry.assign("clinic/triage/\(version).0.0")
            registry.run(for: .seconds(3600))
        }
        let firsts = registry.batches.map { $0.reports.map(\.sequence).max() ?? 0 }
        #expect(zip(firsts, firsts.dropFirst()).contains { $0 == $1 }, "none came twice in a row")
        #expect(zip(firsts, firsts.dropFirst()).contains { $0 > $1 }, "none came after a newer one")
        #expect(registry.batches.contains { $0.reports.count > 1 && $0.reports[0].sequence > $0.reports[1].sequence })
        #expect(registry.problems == [])
    }
}

import AgentEngine
import AgentStore
import Foundation
import MartletTypes
import TestSupport
import Testing
import Trust

/// A random life of a slot.
private struct SlotLife {
    var random: SeededGenerator
    var world: SlotWorld
    var generation: Int64 = 0

    init(seed: UInt64) throws {
        random = SeededGenerator(seed: seed)
        world = try SlotWorld()
    }

    mutating func live() throws {
        try world.send(.started)
        for _ in 0..<Int.random(in: 10...400, using: &random) {
            try event()
            world.look()
            if !world.broken.isEmpty { return }
        }
        try settle()
    }

    private mutating func event() throws {
        switch Int.random(in: 0..<130, using: &random) {
        case 0...1: try assign()
        case 2: try world.send(.unassigned)
        case 3...4: try world.kill()
        case 5: try world.send(.stopping)
        case 6: try world.pass(.seconds(Int.random(in: 1...900, using: &random)))
        case 7: try world.setBack(.seconds(Int.random(in: 1...1_000_000, using: &random)))
        case 8...9:
            if let id = world.engines.sorted().randomElement(using: &random) {
                try world.crash(id, isHopeless: Bool.random(using: &random))
            }
        case 10: try world.send(.woke)
        case 11: try world.send(.drained(cutStreams: Int.random(in: 0...2, using: &random)))
        case 12:
            // The director signs the same again.
            if var target = world.record.target {
                target.number += 1
                try world.send(.assigned(target))
            }
        default: try go(faults: true)
        }
    }

    private static let conditions = UpdateConditions(idleSeconds: 5, onMains: true, jitterSeconds: 900)
    private static let shadow = ShadowPolicy(samples: 10, minAgreementPermille: 900)

    private mutating func assign() throws {
        generation += 1
        let version = "\(Int.random(in: 1...4, using: &random)).0.0"
        let soak = [0, 0, 10, 300].randomElement(using: &random) ?? 0
        try world.send(
            .assigned(
                try SlotFixtures.target(
                    version, generation: generation, soak: soak,
                    evaluation: Bool.random(using: &random) ? .beforeSwitch : .whileSoaking,
                    conditions: Bool.random(using: &random) ? Self.conditions : nil,
                    shadow: Bool.random(using: &random) ? Self.shadow : nil)))
    }

    private mutating func go(faults: Bool) throws {
        var failure: SlotFailure?
        if faults, Int.random(in: 0..<25, using: &random) == 0 {
            let kinds: [SlotFailure.Kind] = [.final, .skipped, .retry, .transport]
            failure = SlotFailure(
                kinds.randomElement(using: &random) ?? .final, code: "simulated", message: "It was to fail.")
        }
        try world.go(
            failure, passes: !faults || Int.random(in: 0..<6, using: &random) > 0, owes: .random(using: &random),
            swap: Bool.random(using: &random) ? .sideBySide : .replace)
    }

    /// No more faults: all that was begun comes to its end.
    private mutating func settle() throws {
        for _ in 0..<400 where world.broken.isEmpty {
            while world.isBusy { try go(faults: false) }
            world.look()
            guard world.waits else { return }
            try world.pass(.seconds(1_000))
        }
    }

    /// What is wrong when nothing is left to be done.
    var unsettled: String? {
        let record = world.record
        if ![.idle, .committed, .failed].contains(record.phase) { return "still \(record.phase)" }
        if world.routed != record.current?.id { return "what is committed does not serve" }
        if record.phase == .committed {
            if record.current?.releases != record.target?.assignment.releases { return "not what is assigned" }
            if record.current?.assigned != record.target?.generation { return "assigned by an older number" }
        }
        return nil
    }
}

@Suite("What a slot promises")
struct SlotMachinePromiseTests {
    /// Lives that once went wrong: a clock that is set back while a file is fetched, which fails afterwards.
    private static let found: [UInt64] = [59_696_997]

    @Test("it keeps through random lives: kills, crashes, failures, new assignments, a clock that is set back")
    func lives() throws {
        let scale = ProcessInfo.processInfo.environment["MARTLET_SCALE"].flatMap(Int.init) ?? 1
        let start = UInt64.random(in: 0...1_000_000_000)
        var seen: Set<String> = []
        for seed in Self.found + Array(start..<start + UInt64(600 * scale)) {
            var life = try SlotLife(seed: seed)
            try life.live()
            let last = life.world.events.suffix(12).joined(separator: ", ")
            try #require(life.world.broken.isEmpty, "seed \(seed): \(life.world.broken.prefix(3)) after \(last)")
            let unsettled = life.unsettled
            try #require(unsettled == nil, "seed \(seed): \(unsettled ?? "") after \(last)")
            seen.formUnion(life.world.events)
        }
        // The lives are worth their name: they went everywhere.
        for phase in SlotPhase.allCases { #expect(seen.contains { $0.hasSuffix("→ \(phase)") }, "\(phase)") }
    }

    @Test("would be found out if it were broken")
    func canary() throws {
        let now = SlotFixtures.start
        var promises = SlotPromises()
        let sound = try SlotFixtures.committed().record
        func broken(_ change: (inout SlotRecord) -> Void, _ actions: [SlotAction] = [], _ event: SlotEvent = .woke)
            -> Int
        {
            var after = sound
            change(&after)
            var step = SlotStep()
            step.actions = actions
            return promises.broken(before: sound, after: after, step, event, now: now).count
        }
        #expect(broken { _ in } == 0)
        #expect(broken { $0.current = nil } > 0)
        #expect(broken { $0.previous = $0.current } > 0)
        #expect(broken { $0.phase = .failed } > 0)
        #expect(broken { $0.candidate = $0.current } > 0)
        let other = try SlotFixtures.generation(9, "9.0.0", 9)
        let target = try SlotFixtures.target("9.0.0", generation: 9)
        for action in [
            SlotAction.serve(other), .startCandidate(other), .plan(target), .fetch, .verify, .check, .stage,
            .probe(other),
            .evaluate(other), .shadow(other, ShadowPolicy()), .awaitIdle(seconds: 1),
            .look(UpdateConditions(), notBefore: nil), .switchOver(other, .replace), .endAll, .empty,
            .endOthers(sparing: nil),
            .point(current: other.id, previous: nil), .wake(now + .seconds(100_000)),
        ] {
            #expect(broken({ _ in }, [action]) > 0, "\(action.word)")
        }
        let lost = SlotFailure(.final, code: "crashLoop", message: "x")
        #expect(broken({ _ in }, [], .engineLost(GenerationID(1), lost)) > 0)
        // What failed for good is not planned again for the same generation.
        _ = broken {
            $0.phase = .failed
            $0.override = SlotOverride(generation: 1, code: "x", message: "x", time: now)
        }
        let again = sound.target ?? target
        #expect(broken({ $0.phase = .planning }, [.plan(again)]) > 0)
    }
}

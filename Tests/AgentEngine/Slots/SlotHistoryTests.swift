import AgentEngine
import AgentStore
import Foundation
import MartletTypes
import TestSupport
import Testing
import Trust

/// A slot with a journal and engines that exist only in memory, and an agent that may be killed at any instant.
private struct SimulatedSlot {
    private(set) var journal: SlotRecord
    private var machine: SlotMachine
    private(set) var running: Set<GenerationID> = []
    private(set) var routed: GenerationID?
    private(set) var pending: [SlotAction] = []
    private(set) var now = SlotFixtures.start
    private var nextGeneration: Int64 = 1
    private(set) var wakes: [Timestamp] = []
    private(set) var moves = 0
    /// Everything that was ever committed, by generation.
    private(set) var committed: Set<GenerationID> = []

    init(slot: SlotName) {
        journal = SlotRecord(slot: slot)
        machine = SlotMachine(record: journal)
    }

    var record: SlotRecord { machine.record }

    mutating func send(_ event: SlotEvent) {
        let step = machine.handle(event, now: now)
        moves += 1
        if journal.phase == .soaking, machine.record.phase == .committed, let current = machine.record.current {
            committed.insert(current.id)
        }
        journal = machine.record
        for action in step.actions {
            if action == .cancelWork {
                pending.removeAll { $0.isWork }
            } else {
                pending.append(action)
            }
        }
    }

    /// The process ends; nothing but the journal is left.
    mutating func kill() {
        machine = SlotMachine(record: journal)
        running = []
        routed = nil
        pending = []
        wakes = []
        send(.started)
    }

    mutating func pass(_ duration: Duration) {
        now = now + duration
        let due = wakes.filter { $0 <= now }
        wakes.removeAll { $0 <= now }
        for _ in due { send(.woke) }
    }

    mutating func loseEngine() {
        guard let id = routed else { return }
        // What shall serve is started again by the runtime, however often it ends.
        if id != record.current?.id {
            running.remove(id)
            routed = nil
        }
        send(.engineLost(id, SlotFailure(.final, code: "crashLoop", message: "It ended.")))
    }

    /// Carries out the oldest action that is pending; `fails` makes its work fail.
    mutating func step(fails: SlotFailure?, evaluation: EvaluationResult, owes: Bool, swap: SwapMode) {
        let good = evaluation.passed
        guard !pending.isEmpty else { return }
        let action = pending.removeFirst()
        if let fails, action.isWork {
            send(.failed(fails))
            return
        }
        switch action {
        case .look: send(good ? .mayBegin : .mustWait("It waits.", until: now + .seconds(60)))
        case .shadow: send(.shadowed(SlotFixtures.shadowed(good ? 10 : 1)))
        case .awaitIdle: send(.mayBegin)
        case .plan(let target):
            let known = [record.current, record.previous].contains { $0?.releases == target.assignment.releases }
            send(.planned(blobs: [], missing: known ? .zero : ByteCount(1), installed: known))
        case .fetch: send(.fetched(bytes: ByteCount(1), milliseconds: 1))
        case .verify: send(.verified)
        case .check: send(.checked)
        case .stage:
            guard let target = record.target else { return }
            let staged = SlotFixtures.generation(nextGeneration, target, slot: record.slot)
            nextGeneration += 1
            send(.staged(staged, owesEvaluation: owes, needsPlace: swap == .replace))
        case .startCandidate(let candidate):
            if swap == .replace, let routed {
                running.remove(routed)
                self.routed = nil
            }
            running.insert(candidate.id)
            send(.candidateReady(swap, milliseconds: 1))
        case .probe: send(.probed)
        case .evaluate: send(.evaluated(evaluation))
        case .switchOver(let candidate, _):
            routed = candidate.id
            send(.switched(unavailableMilliseconds: 0))
        case .serve(let record):
            running = [record.id]
            routed = record.id
            send(.served(record.id))
        case .endOthers(let spared): running = running.filter { $0 == routed || $0 == spared }
        case .endAll, .empty:
            running = []
            routed = nil
        case .wake(let time): wakes.append(time)
        case .point, .collect, .cancelWork: break
        }
    }
}

extension SlotAction {
    fileprivate var isWork: Bool {
        switch self {
        case .look, .plan, .fetch, .verify, .check, .stage, .startCandidate, .probe, .evaluate, .shadow, .awaitIdle,
            .switchOver:
            true
        default: false
        }
    }
}

@Suite("Random histories of a slot")
struct SlotHistoryTests {
    private static var count: Int {
        let scale = ProcessInfo.processInfo.environment["MARTLET_SCALE"].flatMap(Int.init) ?? 1
        return 400 * scale
    }

    @Test("However it is killed, failed, and reassigned, a slot that ever served serves again, old or new, whole")
    func histories() throws {
        for seed in 0..<UInt64(Self.count) {
            var random = SeededGenerator(seed: seed)
            var slot = SimulatedSlot(slot: try SlotFixtures.slot())
            var generation: Int64 = 0
            for _ in 0..<Int.random(in: 5...120, using: &random) {
                switch Int.random(in: 0..<20, using: &random) {
                case 0:
                    generation += 1
                    let version = "\(Int.random(in: 1...4, using: &random)).0.0"
                    let soak = Int.random(in: 0...20, using: &random)
                    slot.send(
                        .assigned(
                            try SlotFixtures.target(
                                version, generation: generation, soak: soak,
                                conditions: Bool.random(using: &random) ? Self.conditions : nil,
                                shadow: Bool.random(using: &random) ? Self.shadow : nil)))
                case 1: slot.kill()
                case 2: slot.pass(.seconds(Int.random(in: 1...700, using: &random)))
                case 3: slot.loseEngine()
                default: step(&slot, &random, mayFail: true)
                }
                try check(slot, seed)
            }
            settle(&slot, &random)
            try check(slot, seed)
            try checkSettled(slot, seed, generation)
        }
    }

    private static let conditions = UpdateConditions(idleSeconds: 5, onMains: true, jitterSeconds: 60)
    private static let shadow = ShadowPolicy(samples: 10, minAgreementPermille: 900)

    private func step(_ slot: inout SimulatedSlot, _ random: inout SeededGenerator, mayFail: Bool) {
        var failure: SlotFailure?
        if mayFail, Int.random(in: 0..<10, using: &random) == 0 {
            let kinds: [SlotFailure.Kind] = [.final, .skipped, .retry, .transport]
            failure = SlotFailure(
                kinds.randomElement(using: &random) ?? .final, code: "simulated", message: "It was to fail.")
        }
        let good = !mayFail || Int.random(in: 0..<5, using: &random) > 0
        slot.step(
            fails: failure, evaluation: SlotFixtures.result(good ? 10 : 1), owes: .random(using: &random),
            swap: Bool.random(using: &random) ? .sideBySide : .replace)
    }

    /// No more faults: everything runs to its end.
    private func settle(_ slot: inout SimulatedSlot, _ random: inout SeededGenerator) {
        for _ in 0..<200 {
            while !slot.pending.isEmpty { step(&slot, &random, mayFail: false) }
            guard !slot.wakes.isEmpty else { return }
            slot.pass(.seconds(700))
        }
    }

    private func check(_ slot: SimulatedSlot, _ seed: UInt64) throws {
        #expect(slot.record == slot.journal, "the journal is behind, seed \(seed)")
        if let routed = slot.routed { #expect(slot.running.contains(routed), "a dead end, seed \(seed)") }
        let ids = [slot.record.current, slot.record.previous, slot.record.candidate].compactMap { $0?.id }
        #expect(Set(ids).count == ids.count, "one generation in two places, seed \(seed)")
    }

    private func checkSettled(_ slot: SimulatedSlot, _ seed: UInt64, _ generation: Int64) throws {
        #expect([.idle, .committed, .failed].contains(slot.record.phase), "still \(slot.record.phase), seed \(seed)")
        #expect(slot.record.candidate == nil, "a candidate is left, seed \(seed)")
        if let current = slot.record.current {
            #expect(slot.routed == current.id, "what is committed does not serve, seed \(seed)")
            #expect(slot.running == [current.id], "engines leak, seed \(seed)")
        } else {
            #expect(slot.committed.isEmpty, "what was committed is lost, seed \(seed)")
            #expect(slot.running.isEmpty, "engines leak, seed \(seed)")
        }
        if slot.record.phase == .committed {
            #expect(slot.record.current?.assigned == generation, "not what is assigned, seed \(seed)")
        } else if slot.record.phase == .failed {
            #expect(slot.record.override != nil, "failed without a reason, seed \(seed)")
        }
    }
}

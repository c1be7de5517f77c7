internal import AgentStore
internal import MartletTypes
internal import Trust

extension Explanation.Slot {
    /// What of the device as a whole bears on all slots.
    struct Surroundings {
        /// Why nothing is installed by this device's clock.
        var clockDistrust: String?
        /// What is wrong with the device as a whole, first what matters most.
        var problem: Explanation.Reason?
        /// What publishers took back.
        var takenBack = TakenBack()
    }

    /// A slot as its record, what serves (nil for nothing) and the owner's policy explain it. No I/O.
    init(_ record: SlotRecord, serving: GenerationID?, policy: LocalPolicy, _ around: Surroundings) {
        let shown = record.generation(serving)
        let isFulfilled = record.target.map { shown?.isContent(of: $0.assignment) ?? false } ?? true
        self.init(
            slot: record.slot, serves: shown?.paths ?? [], because: Self.because(record, shown),
            wanted: record.target?.paths ?? [], wantedBy: Self.wantedBy(record.target),
            blocked: isFulfilled ? nil : Self.blocked(record, policy, around), retryAt: record.retryAt,
            policy: policy.slots[record.slot] ?? policy.otherSlots, releases: [])
    }

    private static func because(_ record: SlotRecord, _ shown: GenerationRecord?) -> String {
        guard let shown else {
            return record.current == nil
                ? "Nothing was ever installed here."
                : "Its engine does not run: see the engine's log (log/\(record.slot).log in the data folder)."
        }
        if shown.id == record.candidate?.id, shown.id != record.current?.id {
            let ends = record.soakEnds.map { " until \($0)" } ?? ""
            return "It is wanted, and proves itself\(ends)."
        }
        if let target = record.target, shown.isContent(of: target.assignment) {
            if record.override?.code == SlotMachine.localCode { return "It was brought to this device by its owner." }
            return "It is what is wanted; installed at \(shown.created)."
        }
        let rollout = shown.rollout.map { " by rollout \($0)" } ?? ""
        let origin = "slot generation \(shown.assigned)\(rollout), installed at \(shown.created)"
        guard record.target != nil else { return "It was assigned before: \(origin)." }
        if record.override?.code == SlotFailure.crashLoop {
            return "It is what was gone back to, because what is wanted crashed again and again: \(origin)."
        }
        return "It was assigned before (\(origin)) and serves until what is wanted can take its place."
    }

    private static func wantedBy(_ target: SlotTarget?) -> String {
        guard let target else { return "No assignment names the slot." }
        let rollout = target.assignment.rollout.map { " by rollout \($0)" } ?? " by hand"
        return "Assignment \(target.number), slot generation \(target.generation)\(rollout), good until "
            + "\(target.expires)."
    }

    /// What stands in the way, first what a person must decide.
    private static func blocked(
        _ record: SlotRecord, _ policy: LocalPolicy, _ around: Surroundings
    ) -> Explanation.Reason? {
        guard let target = record.target else { return nil }
        if let refusal = policy.refusal(of: target.assignment, in: record.slot) {
            return .init("policyRefused", "This device's own policy refuses the assignment: \(refusal).")
        }
        if let refusal = around.takenBack.refusal(of: target.assignment.releases) {
            return .init(refusal.code, refusal.message)
        }
        if let override = record.override {
            return .init(override.code, "It was decided here at \(override.time): \(override.message)")
        }
        if let problem = around.problem { return problem }
        if let distrust = around.clockDistrust {
            return .init("clockUntrusted", "\(distrust) Nothing is installed until the clock is right.")
        }
        if record.phase == .waiting, record.waitsFor != nil, let held = record.failedTry {
            return .init(held.code, held.message)
        }
        if let condition = record.waitsFor { return .init(UpdateConditions.waitingCode, condition) }
        if record.phase == .waiting {
            let code = record.failedTry?.code ?? record.reportedFailure ?? "waiting"
            let tries = record.attempts == 1 ? "one try" : "\(record.attempts) tries"
            return .init(code, "After \(tries): \(record.failedTry?.message ?? code)")
        }
        return .init(
            code: record.phase.rawValue, message: underWay(record.phase), remedy: "Wait; it is on its way by itself.")
    }

    private static func underWay(_ phase: SlotPhase) -> String {
        switch phase {
        case .planning: "Its release is read and a variant chosen."
        case .fetching: "Its bytes are fetched."
        case .verifying, .checking, .staged: "Its bytes are checked."
        case .starting: "Its engine loads."
        case .probing: "It answers its probes."
        case .evaluating: "It answers its evaluation set."
        case .offered, .idling: "It waits for its conditions."
        case .shadowing: "It answers what is asked of what serves, to be compared with it."
        case .switching: "The gateway moves to it."
        case .soaking: "It proves itself."
        case .idle, .committed, .failed, .waiting: "Its engine does not run."
        }
    }
}

import AgentEngine
import AgentStore
import MartletTypes
import Trust

/// What must hold after each event, whatever happened before.
struct SlotPromises {
    private let limits = SlotLimits()
    /// The highest generation of the slot's assignment that failed here for good.
    private var failed: Int64?

    /// The promises that one event broke.
    mutating func broken(
        before: SlotRecord, after: SlotRecord, _ step: SlotStep, _ event: SlotEvent, now: Timestamp
    ) -> [String] {
        var broken: [String] = []
        for action in step.actions {
            if let fault = fault(of: action, after, now) {
                broken.append("\(action.word) after \(event.name): \(fault)")
            }
        }
        if step.actions.filter(\.isStepAtWork).count > 1 { broken.append("two works at once after \(event.name)") }
        let ids = [after.current, after.previous, after.candidate].compactMap { $0?.id }
        if Set(ids).count != ids.count { broken.append("one generation in two places after \(event.name)") }
        if (after.phase == .failed) != (after.override != nil) {
            broken.append("\(after.phase) with an override or without")
        }
        if (after.phase == .waiting) != (after.retryAt != nil) {
            broken.append("\(after.phase) with a time to retry or without")
        }
        if after.candidate != nil, !Self.hasCandidate.contains(after.phase) {
            broken.append("a candidate while \(after.phase)")
        }
        broken += serving(before, after, step, event)
        broken += telling(before, after, step, event)
        if after.phase == .failed, before.phase != .failed { failed = after.target?.generation }
        return broken
    }

    static let hasCandidate: Set<SlotPhase> = [
        .staged, .starting, .probing, .evaluating, .shadowing, .idling, .switching, .soaking,
    ]

    /// Every action follows from the record that was written before it.
    private func fault(of action: SlotAction, _ record: SlotRecord, _ now: Timestamp) -> String? {
        func demand(_ holds: Bool, _ fault: String) -> String? { holds ? nil : fault }
        switch action {
        case .plan(let target):
            if let failed, target.generation <= failed { return "failed for good before" }
            return demand(record.phase == .planning && target == record.target && record.override == nil, "not written")
        case .fetch: return demand(record.phase == .fetching, "not written")
        case .verify: return demand(record.phase == .verifying, "not written")
        case .check, .stage: return demand(record.phase == .checking, "not written")
        case .startCandidate(let candidate):
            if let failed, candidate.assigned <= failed { return "failed for good before" }
            return demand(record.phase == .starting && candidate == record.candidate, "not written")
        case .probe(let candidate):
            return demand(record.phase == .probing && candidate == record.candidate, "not written")
        case .evaluate(let candidate):
            let isDue = record.phase == .evaluating || record.phase == .soaking && record.owesEvaluation
            return demand(isDue && candidate == record.candidate, "not written")
        case .look(let conditions, _):
            let isDue = record.phase == .offered && conditions == record.target?.assignment.update.conditions
            return demand(isDue && record.override == nil, "not written")
        case .shadow(let candidate, _):
            return demand(
                record.phase == .shadowing && candidate == record.candidate && record.swap == .sideBySide,
                "not written, or beside nothing")
        case .awaitIdle: return demand(record.phase == .idling && record.candidate != nil, "not written")
        case .switchOver(let candidate, let swap):
            return demand(
                record.phase == .switching && candidate == record.candidate && swap == record.swap, "not written")
        case .serve(let served):
            let isCandidate = record.phase == .soaking && served == record.candidate
            return demand(served == record.current || isCandidate, "neither committed nor soaking")
        case .endOthers(let spared):
            return demand(spared == record.current?.id, "spares something else than what is committed")
        case .endAll: return demand(record.current == nil, "ends what is committed")
        case .point(let current, let previous):
            return demand(current == record.current?.id && previous == record.previous?.id, "points elsewhere")
        case .empty: return demand(record == SlotRecord(slot: record.slot), "still holds something")
        case .wake(let time):
            let soak = Duration.seconds(record.target?.assignment.update.soakSeconds ?? 0)
            // What is waited for is looked at again.
            if record.phase == .offered { return demand(record.waitsFor != nil, "waits for nothing") }
            let longest = record.phase == .waiting ? limits.longestRetry : soak
            return demand(time <= now + longest, "far away")
        case .cancelWork, .collect: return nil
        }
    }

    /// What is committed stays until something better is, or it ended again and again, or the slot is emptied.
    private func serving(
        _ before: SlotRecord, _ after: SlotRecord, _ step: SlotStep, _ event: SlotEvent
    ) -> [String] {
        if event == .unassigned { return after.current == nil ? [] : ["not emptied"] }
        guard let old = before.current, old.id != after.current?.id else { return [] }
        // The same content put anew is no step to go back from.
        let isAnew = before.candidate?.releases == old.releases && after.previous == before.previous
        let isCommit =
            before.candidate != nil && after.current == before.candidate && (after.previous == old || isAnew)
        let isBack =
            after.current == before.previous && after.previous == old
            && [.failed, .waiting, .offered].contains(after.phase)
        return isCommit || isBack ? [] : ["what was committed is gone after \(event.name)"]
    }

    /// Every failure is told with its code and a sentence.
    private func telling(
        _ before: SlotRecord, _ after: SlotRecord, _ step: SlotStep, _ event: SlotEvent
    ) -> [String] {
        var broken: [String] = []
        for report in step.reports where report.code != nil && (report.message ?? "").isEmpty {
            broken.append("no message with \(report.code ?? "")")
        }
        let failures = step.reports.filter { [.failed, .skipped].contains($0.state) }
        if failures.contains(where: { $0.code == nil }) {
            broken.append("a failure without a code after \(event.name)")
        }
        if after.phase == .failed, before.phase != .failed, failures.count != 1 {
            broken.append("\(failures.count) reports of what failed after \(event.name)")
        }
        if after.phase == .committed, before.phase != .committed,
            !step.reports.contains(where: { $0.state == .succeeded })
        {
            broken.append("a success that is not told")
        }
        if case .engineLost(let id, let failure) = event, id == before.current?.id, before.phase != .staged,
            !step.reports.contains(where: { [failure.code, "crashLoop"].contains($0.code) })
        {
            broken.append("the loss of what serves is not told")
        }
        return broken
    }
}

extension SlotAction {
    /// Whether its result is an event of its own.
    var isStepAtWork: Bool {
        switch self {
        case .look, .plan, .fetch, .verify, .check, .stage, .startCandidate, .probe, .evaluate, .shadow, .awaitIdle,
            .switchOver:
            true
        default: false
        }
    }
}

package import AgentStore
package import MartletTypes
package import Trust

/// Bounds of one slot's life.
package struct SlotLimits: Sendable, Hashable {
    /// First pause after a failed try.
    package var firstRetry: Duration = .seconds(2)
    /// Longest pause between tries: a broken registry costs one small exchange each.
    package var longestRetry: Duration = .seconds(600)
    /// How often the agent may be stopped while a candidate is at work before the candidate is blamed for it.
    package var interruptions = 2
    /// Failed ways to the registry in a row before one is reported.
    package var quietTransportFailures = 3
    /// Longest pause after the registry refused something, or had something else than was promised.
    package var longestRefusal: Duration = .seconds(3600)
    /// Refusals of one assignment after which it is given up: about a day.
    package var refusals = 24
    /// Wrong contents of one assignment after which it is given up: each costs a whole blob.
    package var wrongContents = 3
    /// Phases that one try of an installation may pass through: the longest way has thirteen.
    package var transitions = 32
    /// Between two looks whether the box is fit for what it was not.
    package var holdInterval: Duration = AgentLimits.conditionInterval

    package init() {}
}

/// The life of one slot as a table of transitions: values in, values out, no clock and no I/O.
///
/// Whoever drives it writes `record` to the journal, with the reports, before it does any of the actions. So the
/// journal is always at or ahead of the world, and `started` finds its way from any record to a slot that serves.
package struct SlotMachine: Sendable, Hashable {
    package internal(set) var record: SlotRecord
    let limits: SlotLimits
    /// The device's name, by which a fleet's installations are spread.
    let device: String
    /// Why no candidate is tried after this start of the agent; nil where one may be.
    let caution: String?
    /// What publishers took back, as known at the event at hand.
    private(set) var takenBack = TakenBack()

    package init(
        record: SlotRecord, limits: SlotLimits = SlotLimits(), device: String = "", caution: String? = nil
    ) {
        self.caution = caution
        self.record = record
        self.limits = limits
        self.device = device
    }

    /// The one way in. `random` is between 0 and 1 and spreads the pauses between tries.
    package mutating func handle(
        _ event: SlotEvent, now: Timestamp, random: Double = 0.5, takenBack: TakenBack = TakenBack()
    ) -> SlotStep {
        self.takenBack = takenBack
        let phase = record.phase
        var step = SlotStep()
        switch event {
        case .started: start(now, random, &step)
        case .stopping: record.wasStopped = record.phase.isUnderWay
        case .assigned(let target): assign(target, now, &step)
        case .unassigned: unassign(&step)
        case .installed(let target): install(target, now, &step)
        case .sentBack(let who): sendBack(who, now, random, &step)
        case .renumbered: record.override?.generation = 0
        case .tookBack(let refusals): tookBack(refusals, now, random, &step)
        case .woke: wake(now, &step)
        case .served(let id): served(id, now, &step)
        case .serveFailed(let id, let failure): lost(id, failure, now, random, &step)
        case .engineLost(let id, let failure): lost(id, failure, now, random, &step)
        case .failed(let failure): fail(failure, now, random, &step)
        case .drained(let cut): drained(cut, &step)
        case .engineRestarted(_, let reason, let unavailable): restarted(reason, unavailable, &step)
        case .mayBegin: mayBegin(&step)
        case .mustWait(let reason, let until): mustWait(reason, until, &step)
        case .planned, .fetched, .verified, .checked, .staged, .candidateReady, .probed, .evaluated, .switched:
            advance(event, now, random, &step)
        case .shadowProgress, .shadowed, .shadowNotPossible: shadowed(event, now, random, &step)
        }
        bound(from: phase, event, now, random, &step)
        return step
    }

    // MARK: Forward

    /// The step at work succeeded. A result that the phase does not wait for changes nothing.
    private mutating func advance(_ event: SlotEvent, _ now: Timestamp, _ random: Double, _ step: inout SlotStep) {
        switch (record.phase, event) {
        case (.planning, .planned(let blobs, let missing, let installed)):
            record.planned = blobs
            record.isReturn = installed
            // What failed is known as failed until it gets further than before.
            let isNews = record.attempts == 0 || record.waitsFor != nil
            record.waitsFor = nil
            if installed {
                move(to: .checking, [.stage], &step)
            } else if missing > .zero {
                move(to: .fetching, [.fetch], report: isNews ? .downloading : nil, &step)
            } else {
                move(to: .verifying, [.verify], report: .verifying, &step)
            }
        case (.fetching, .fetched(let bytes, let milliseconds)):
            record.figures.bytesFetched += bytes.bytes
            // Its failed tries still count: a disk on which nothing lasts must not be filled every few seconds.
            record.figures.fetchMilliseconds = milliseconds
            move(to: .verifying, [.verify], report: .verifying, &step)
        case (.verifying, .verified):
            move(to: .checking, [.check], &step)
        case (.checking, .checked):
            step.actions.append(.stage)
        case (.checking, .staged(let candidate, let owesEvaluation, let needsPlace)):
            record.candidate = candidate
            record.owesEvaluation = owesEvaluation
            record.swap = nil
            step.reports.append(report(.probing))
            // Where the candidate takes the place of what serves, its start is the switch.
            if needsPlace, record.current != nil, awaitIdle(&step) { return }
            move(to: .starting, [.startCandidate(candidate)], &step)
        case (.starting, .candidateReady(let swap, let milliseconds)):
            guard let candidate = record.candidate else { return }
            record.swap = swap
            record.figures.startMilliseconds = milliseconds
            move(to: .probing, [.probe(candidate)], &step)
        case (.probing, .probed):
            guard let candidate = record.candidate, record.swap != nil else { return }
            if evaluatesBeforeSwitch {
                move(to: .evaluating, [.evaluate(candidate)], &step)
            } else {
                shadow(&step)
            }
        case (.evaluating, .evaluated(let result)):
            guard accept(result, now, random, &step) else { return }
            shadow(&step)
        case (.soaking, .evaluated(let result)):
            guard accept(result, now, random, &step) else { return }
            commitIfProven(now, &step)
        case (.switching, .switched(let unavailable)):
            record.figures.unavailableMilliseconds = unavailable
            soak(now, &step)
        default:
            return
        }
    }

    private var evaluatesBeforeSwitch: Bool {
        record.owesEvaluation && record.swap == .sideBySide
            && record.target?.assignment.update.evaluation != .whileSoaking
    }

    private mutating func accept(
        _ result: EvaluationResult, _ now: Timestamp, _ random: Double, _ step: inout SlotStep
    ) -> Bool {
        record.figures.evaluation = result
        record.owesEvaluation = false
        guard !result.passed else { return true }
        fail(.belowThreshold(result), now, random, &step)
        return false
    }

    private mutating func soak(_ now: Timestamp, _ step: inout SlotStep) {
        let ends = now + .seconds(max(0, record.target?.assignment.update.soakSeconds ?? 0))
        record.soakEnds = ends
        move(to: .soaking, [], report: .soaking, &step)
        if record.owesEvaluation, let candidate = record.candidate { step.actions.append(.evaluate(candidate)) }
        if ends > now { step.actions.append(.wake(ends)) }
        commitIfProven(now, &step)
    }

    mutating func commitIfProven(_ now: Timestamp, _ step: inout SlotStep) {
        guard record.phase == .soaking, !record.owesEvaluation, let ends = record.soakEnds, ends <= now,
            let candidate = record.candidate
        else { return }
        // The same releases with the same settings put anew are no step to go back from: what was before them stays.
        if let current = record.current,
            current.releases != candidate.releases || current.settings != candidate.settings
        {
            record.previous = current
        }
        record.current = candidate
        record.fallen = nil
        settle()
        // It serves already; asked to, its engine is started again whenever it ends.
        let point = SlotAction.point(current: candidate.id, previous: record.previous?.id)
        move(to: .committed, [point, .serve(candidate), .collect], &step)
        step.reports.append(report(.succeeded))
    }

    // MARK: Assignments

    mutating func assign(_ target: SlotTarget, _ now: Timestamp, _ step: inout SlotStep) {
        if let known = record.target, known.assignment == target.assignment { return signAgain(target, &step) }
        if let override = record.override, target.generation <= override.generation {
            // What the owner brought to this box is still on its way.
            if isLocal, record.phase.isUnderWay || record.phase.isWaiting { return }
            // Other content under the old number is not a new decision about the slot.
            record.target = target
            step.reports.append(
                SlotReport(
                    target: target, code: "overrideHolds",
                    message: "Slot \(record.slot) was decided here (\(override.code)) for \(override.generation); an "
                        + "assignment of \(target.generation) does not change that."))
            return
        }
        let isUnderWay = record.phase.isUnderWay
        if isUnderWay, record.target != nil { step.reports.append(report(.superseded)) }
        // The candidate is given up: in replace mode nothing serves, and once switched to it serves unproven. What is
        // committed comes back before all else.
        let restores = record.phase.hasEngine && record.phase != .staged
        if isUnderWay || record.phase.isWaiting { step.actions.append(.cancelWork) }
        if isUnderWay { step.actions.append(.endOthers(sparing: record.current?.id)) }
        settle()
        record.target = target
        record.override = nil
        record.figures = InstallFigures()
        record.reportedFailure = nil
        if var current = record.current, current.isContent(of: target.assignment), current.id != record.fallen {
            current.assigned = target.generation
            current.rollout = target.assignment.rollout
            record.current = current
            move(to: .committed, [.serve(current), .collect], &step)
            step.reports.append(report(.succeeded))
            return
        }
        if restores { step.actions.append(record.current.map(SlotAction.serve) ?? .endAll) }
        record.notBefore = notBefore(target, now)
        begin(target, &step)
    }

    private mutating func unassign(_ step: inout SlotStep) {
        // What was brought to this box stays until an assignment names the slot.
        guard record.target != nil || record.current != nil, !isLocal else { return }
        if record.phase.isUnderWay { step.reports.append(report(.superseded)) }
        let slot = record.slot
        step.reports.append(
            SlotReport(target: record.target, code: "slotEmptied", message: "Slot \(slot) is no longer assigned."))
        record = SlotRecord(slot: slot)
        step.actions += [.cancelWork, .empty]
    }

    // MARK: Start of the agent and passing time

    private mutating func start(_ now: Timestamp, _ random: Double, _ step: inout SlotStep) {
        step.actions.append(.point(current: record.current?.id, previous: record.previous?.id))
        // What is under way may have to begin anew, and then waits for its turn again.
        if record.phase.isWaiting || record.phase.isUnderWay { boundTurn(now) }
        switch record.phase {
        case .idle, .committed, .failed:
            serveCurrent(&step)
            // It may have been ended between the commit and what follows it.
            step.actions.append(.collect)
        case .waiting:
            serveCurrent(&step)
            boundRetry(now)
            step.actions.append(.wake(record.retryAt ?? now))
        case .offered:
            serveCurrent(&step)
            if let target = record.target { begin(target, &step) }
        case .planning, .fetching, .verifying, .checking:
            serveCurrent(&step)
            record.candidate = nil
            if isHeldBack(now, random, &step) { return }
            if let target = record.target { move(to: .planning, [.plan(target)], &step) }
        case .staged, .starting, .probing, .evaluating, .shadowing, .idling, .switching, .soaking:
            resumeCandidate(now, random, &step)
        }
    }

    private mutating func resumeCandidate(_ now: Timestamp, _ random: Double, _ step: inout SlotStep) {
        // How often a program on trial may end, the agent's launcher counts.
        let isOnTrial = isOfAgent && record.phase == .switching
        if !record.wasStopped, !isOnTrial { record.interruptions += 1 }
        record.wasStopped = false
        if record.phase != .soaking, record.interruptions <= limits.interruptions, isHeldBack(now, random, &step) {
            return
        }
        guard record.interruptions <= limits.interruptions, let candidate = record.candidate else {
            let message = "The agent was stopped \(record.interruptions) times while the candidate was at work."
            fail(SlotFailure(.final, code: "interrupted", message: message), now, random, &step)
            return
        }
        if record.phase == .soaking {
            // It served when the agent was stopped; it proves itself anew from when it serves again.
            record.soakEnds = nil
            step.actions.append(.serve(candidate))
        } else if let current = record.current {
            move(to: .staged, [.serve(current)], &step)
        } else {
            move(to: .starting, [.startCandidate(candidate)], &step)
        }
    }

    private mutating func served(_ id: GenerationID, _ now: Timestamp, _ step: inout SlotStep) {
        if record.fallen == id { record.fallen = nil }
        guard let candidate = record.candidate else { return }
        if record.phase == .staged, id == record.current?.id {
            move(to: .starting, [.startCandidate(candidate)], &step)
        } else if record.phase == .soaking, id == candidate.id, record.soakEnds == nil {
            soak(now, &step)
        }
    }

    private mutating func wake(_ now: Timestamp, _ step: inout SlotStep) {
        if record.phase == .soaking { soaked(now, &step) }
        if record.phase == .waiting, let target = record.target {
            boundRetry(now)
            guard let retryAt = record.retryAt, retryAt > now else {
                record.retryAt = nil
                begin(target, &step)
                return
            }
            step.actions.append(.wake(retryAt))
        }
        if let lookAt = record.lookAt { record.lookAt = min(lookAt, now + AgentLimits.longestLook) }
        // A call for an earlier time, e.g. the end of a soak, is none to look.
        if record.phase == .offered, let target = record.target, record.lookAt.map({ $0 <= now }) ?? true {
            begin(target, &step)
        }
    }

    private mutating func drained(_ cut: Int, _ step: inout SlotStep) {
        guard cut > 0 else { return }
        record.figures.cutStreams = (record.figures.cutStreams ?? 0) + cut
        let message = "\(cut) answers were cut at the drain deadline."
        step.reports.append(
            SlotReport(
                target: record.target, code: "streamsCut", message: message, figures: record.figures))
    }

    private func restarted(_ reason: String, _ unavailable: Int64, _ step: inout SlotStep) {
        var figures = InstallFigures()
        figures.unavailableMilliseconds = unavailable
        step.reports.append(
            SlotReport(
                target: record.target, code: "engineRestarted",
                message: "The engine was started again after \(unavailable) ms. \(reason)", figures: figures))
    }

    // MARK: Shared with the failures

    mutating func move(
        to phase: SlotPhase, _ actions: [SlotAction], report state: DeviceRolloutState? = nil, _ step: inout SlotStep
    ) {
        record.phase = phase
        if let state { step.reports.append(report(state)) }
        step.actions += actions
    }

    /// Clears what belongs to an installation at work.
    mutating func settle() {
        record.candidate = nil
        record.swap = nil
        record.owesEvaluation = false
        record.soakEnds = nil
        record.attempts = 0
        record.failedTry = nil
        record.retryAt = nil
        record.pauseMilliseconds = nil
        record.interruptions = 0
        record.wasStopped = false
        record.planned = []
        record.notBefore = nil
        record.lookAt = nil
        record.waitsFor = nil
        record.isReturn = nil
        record.refusals = nil
        record.wrongContents = nil
        record.moves = nil
    }

    func serveCurrent(_ step: inout SlotStep) {
        if let current = record.current { step.actions.append(.serve(current)) }
    }

    func report(
        _ state: DeviceRolloutState, code: String? = nil, message: String? = nil
    ) -> SlotReport {
        SlotReport(target: record.target, state: state, code: code, message: message, figures: record.figures)
    }
}

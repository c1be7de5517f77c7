internal import AgentStore
internal import MartletTypes
internal import Trust

extension SlotMachine {
    mutating func fail(
        _ failure: SlotFailure, _ now: Timestamp, _ random: Double, _ step: inout SlotStep
    ) {
        guard record.phase.isUnderWay || record.phase == .offered, let target = record.target else { return }
        if let evaluation = failure.evaluation { record.figures.evaluation = evaluation }
        // Whatever serves, the gateway must lead to what is committed; a candidate that was begun ends.
        let touchedEngines = record.phase.hasEngine
        let hadCandidate = record.candidate != nil
        step.actions.append(.cancelWork)
        switch failure.kind {
        case .final, .skipped:
            step.reports.append(
                report(failure.kind == .skipped ? .skipped : .failed, code: failure.code, message: failure.message))
            settle()
            record.override = SlotOverride(
                generation: target.generation, code: failure.code, message: failure.message, time: now)
            move(to: .failed, [], &step)
        case .refused:
            guard let tries = tooMany(failure) else {
                retry(failure, now, random, &step)
                break
            }
            let message = "Given up after \(tries) tries: \(failure.message)"
            step.reports.append(report(.failed, code: failure.code, message: message))
            settle()
            record.override = SlotOverride(
                generation: target.generation, code: failure.code, message: message, time: now)
            move(to: .failed, [], &step)
        case .retry, .transport, .held:
            retry(failure, now, random, &step)
        }
        if touchedEngines, let current = record.current {
            step.actions += [.endOthers(sparing: current.id), .serve(current)]
        } else if touchedEngines {
            // Where no other release of the agent was before, the installed program comes back.
            step.actions.append(isOfAgent ? .empty : .endAll)
        }
        // The next try makes a folder of its own. What was fetched stays, for the plan names it.
        if record.phase == .failed || hadCandidate { step.actions.append(.collect) }
    }

    private mutating func retry(
        _ failure: SlotFailure, _ now: Timestamp, _ random: Double, _ step: inout SlotStep
    ) {
        let isHeld = failure.kind == .held
        if isHeld { tellHold(failure, &step) } else { tellTry(failure, &step) }
        record.failedTry = SlotOverride(
            generation: record.target?.generation ?? 0, code: failure.code, message: failure.message, time: now)
        let asked = min(failure.asked ?? .zero, AgentLimits.longestAsked)
        let pause = isHeld ? limits.holdInterval : max(asked, pause(after: record.attempts, random, failure.kind))
        let retryAt = now + pause
        record.pauseMilliseconds = pause.inMilliseconds
        record.waitsFor = isHeld ? failure.message : nil
        record.candidate = nil
        record.swap = nil
        record.owesEvaluation = false
        record.soakEnds = nil
        record.retryAt = retryAt
        move(to: .waiting, [.wake(retryAt)], &step)
    }

    /// A try that failed is counted, and told once for each reason.
    private mutating func tellTry(_ failure: SlotFailure, _ step: inout SlotStep) {
        record.attempts += 1
        let isQuiet = failure.kind == .transport && record.attempts < limits.quietTransportFailures
        guard record.reportedFailure != failure.code, !isQuiet else { return }
        record.reportedFailure = failure.code
        var report = report(.failed, code: failure.code, message: failure.message)
        // Nobody's fault that a person must mend: the installation is still under way.
        if failure.kind == .transport { report.state = .downloading }
        // The box may have been at fault, and a rollout shall not stop for that; being given up is told as failed.
        if SlotFailure.ofBox.contains(failure.code) { report.state = .verifying }
        step.reports.append(report)
    }

    /// What is waited for is told as a condition is, once for as long as it is the same: nothing has failed.
    private func tellHold(_ failure: SlotFailure, _ step: inout SlotStep) {
        guard record.waitsFor != failure.message else { return }
        step.reports.append(report(.offered, code: UpdateConditions.waitingCode, message: failure.message))
    }

    /// Doubles from try to try up to the longest, spread over its upper half so that a fleet does not come at once.
    private func pause(after attempts: Int, _ random: Double, _ kind: SlotFailure.Kind) -> Duration {
        let doubled = limits.firstRetry * (1 << min(attempts - 1, 20))
        let full = min(doubled, kind == .refused ? limits.longestRefusal : limits.longestRetry)
        return full / 2 + (full / 2) * min(max(random, 0), 1)
    }

    /// Counts what the registry refused, or gave wrongly: each by itself, for a wrong content costs as much as the
    /// right one. Returns how many there were, where those are too many.
    private mutating func tooMany(_ failure: SlotFailure) -> Int? {
        let counter: WritableKeyPath<SlotRecord, Int?> = failure.isOfContent ? \.wrongContents : \.refusals
        let count = (record[keyPath: counter] ?? 0) + 1
        record[keyPath: counter] = count
        return count >= (failure.isOfContent ? limits.wrongContents : limits.refusals) ? count : nil
    }

    /// An engine that served is gone for good.
    mutating func lost(
        _ id: GenerationID, _ failure: SlotFailure, _ now: Timestamp, _ random: Double, _ step: inout SlotStep
    ) {
        if record.candidate?.id == id {
            fail(failure, now, random, &step)
            return
        }
        guard let current = record.current, current.id == id else { return }
        // No program of the agent is brought back by waiting: who assigns it anew has it tried anew.
        if isOfAgent, failure.kind == .final { record.fallen = id }
        if record.phase == .staged, let candidate = record.candidate {
            // What served does not come back; the candidate is the better chance.
            move(to: .starting, [.startCandidate(candidate)], &step)
            return
        }
        let alreadyBack = record.override?.code == SlotFailure.crashLoop
        let refusal = record.previous.flatMap { takenBack.refusal(of: $0.releases) }
        guard !record.phase.isUnderWay, !alreadyBack, failure.kind == .final, let previous = record.previous,
            refusal?.isFinal != true
        else {
            // There is nothing to go back to, or something else is on its way: it is started again and again.
            guard failure.kind == .final else { return }
            let floor = refusal.map { $0.isFinal ? " \($0.message) It is not gone back to." : "" } ?? ""
            step.reports.append(
                SlotReport(target: record.target, code: failure.code, message: failure.message + floor))
            if isOfAgent, record.phase == .committed, failure.code == SlotFailure.crashLoop {
                step.reports[step.reports.count - 1].state = .failed
                standAside(for: failure, current, now, &step)
            }
            return
        }
        // What waits to be tried again is another release, which is not at fault.
        let isOther = record.phase.isWaiting
        step.reports.append(
            SlotReport(
                target: record.target, state: isOther ? nil : .failed, code: SlotFailure.crashLoop,
                message: "\(failure.message) Going back to \(previous.paths.map(\.reference).joined(separator: ", ")).",
                figures: nil))
        if let refusal {
            step.reports.append(
                SlotReport(
                    target: record.target, code: "servesYanked",
                    message: "\(refusal.message) Nothing else can serve in slot \(record.slot)."))
        }
        record.previous = current
        record.current = previous
        step.actions += [.point(current: previous.id, previous: current.id), .serve(previous)]
        guard !isOther else { return }
        standAside(for: failure, current, now, &step)
    }

    /// The assignment is not followed any more until it changes: what it named ended again and again.
    private mutating func standAside(
        for failure: SlotFailure, _ lost: GenerationRecord, _ now: Timestamp, _ step: inout SlotStep
    ) {
        record.override = SlotOverride(
            generation: record.target?.generation ?? lost.assigned, code: SlotFailure.crashLoop,
            message: failure.message, time: now)
        move(to: .failed, [], &step)
    }
}

extension SlotMachine {
    /// An installation of what was taken back ends; what serves goes on and is told of.
    mutating func tookBack(
        _ refusals: [TakenBack.Refusal], _ now: Timestamp, _ random: Double, _ step: inout SlotStep
    ) {
        if let current = record.current {
            for refusal in refusals where current.paths.contains(refusal.path) {
                step.reports.append(
                    SlotReport(
                        target: record.target, code: refusal.isFinal ? "servesBelowFloor" : "servesYanked",
                        message: "\(refusal.message) It goes on serving in slot \(record.slot) until another release "
                            + "is assigned."))
            }
        }
        if let target = record.target, let refusal = takenBack.refusal(of: target.assignment.releases) {
            fail(SlotFailure(.final, code: refusal.code, message: refusal.message), now, random, &step)
        }
    }
}

extension SlotFailure {
    /// Whether bytes came, and were not those that were promised, or nothing could be made of them.
    var isOfContent: Bool {
        ["digestMismatch", "lengthMismatch", "tooLarge", "malformedReply"].contains(code) || Self.ofBox.contains(code)
    }

    /// Code of a system clock that cannot be right.
    static let clock = "clockUntrusted"
    /// Code of an assignment whose time is over.
    static let overdue = "assignmentExpired"
    /// Code of a board that is too hot for one more engine.
    static let tooHot = "tooHot"
    /// Code of an agent that ends again and again.
    static let restarts = "agentRestarts"
    /// Code of a generation whose engine ends again and again.
    static let crashLoop = "crashLoop"

    /// The board is too hot for one more engine, for a reason in a sentence.
    static func tooHot(_ reason: String) -> SlotFailure { SlotFailure(.held, code: tooHot, message: reason) }

    /// The evaluation found less than the publisher demands.
    static func belowThreshold(_ result: EvaluationResult) -> SlotFailure {
        let demanded = result.minAccuracy.map(percent) ?? "none"
        return SlotFailure(
            .final, code: "evaluationFailed",
            message: "\(result.correct) of \(result.rows) rows were right (\(percent(result.accuracy))), "
                + "under the demanded \(demanded).",
            evaluation: result)
    }

    static func percent(_ share: Double) -> String {
        let tenths = Int((share * 1000).rounded())
        return "\(tenths / 10).\(tenths % 10) %"
    }
}

extension SlotPhase {
    /// Whether an installation is at work.
    var isUnderWay: Bool {
        switch self {
        case .idle, .committed, .failed, .waiting, .offered: false
        default: true
        }
    }

    /// Whether an installation is to begin later: nothing is done for it now.
    var isWaiting: Bool { self == .waiting || self == .offered }

    /// Whether the candidate stands, and its engine may.
    var hasEngine: Bool {
        switch self {
        case .staged, .starting, .probing, .evaluating, .shadowing, .idling, .switching, .soaking: true
        default: false
        }
    }
}

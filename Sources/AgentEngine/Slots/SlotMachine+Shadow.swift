internal import AgentStore
internal import MartletTypes
internal import Trust

extension SlotMachine {
    /// The candidate proved itself alone: now beside what serves, where the rollout says so.
    mutating func shadow(_ step: inout SlotStep) {
        // What is gone back to served here before.
        guard let policy = record.target?.assignment.update.shadow, record.isReturn != true,
            let candidate = record.candidate
        else { return proceed(&step) }
        guard record.current != nil else {
            return passOver("nothing serves in slot \(record.slot) yet that it could be compared with", &step)
        }
        guard record.swap == .sideBySide else {
            return passOver("memory does not hold the candidate beside what serves", &step)
        }
        move(to: .shadowing, [.shadow(candidate, policy)], &step)
    }

    mutating func shadowed(_ event: SlotEvent, _ now: Timestamp, _ random: Double, _ step: inout SlotStep) {
        guard record.phase == .shadowing, let policy = record.target?.assignment.update.shadow else { return }
        switch event {
        case .shadowProgress(let result):
            record.figures.shadow = result
            step.reports.append(report(.probing, message: "Shadowing: \(result.summary)."))
        case .shadowed(let result):
            record.figures.shadow = result
            if policy.isRefuted(by: result) {
                return fail(.disagreed(result, policy), now, random, &step)
            }
            if policy.isInconclusive(result) {
                step.reports.append(
                    report(
                        .probing, code: ShadowPolicy.inconclusiveCode,
                        message: "Shadowing ended after \(policy.maxSeconds) s without enough answers to judge by: "
                            + "\(result.summary)."))
            }
            proceed(&step)
        case .shadowNotPossible(let reason): passOver(reason, &step)
        default: return
        }
    }

    /// Says that nothing was compared, and goes on: gates that want answers find none and say so.
    private mutating func passOver(_ reason: String, _ step: inout SlotStep) {
        step.reports.append(
            report(
                .probing, code: ShadowPolicy.notPossibleCode, message: "The candidate is not shadowed: \(reason)."))
        proceed(&step)
    }

    /// To the switch, at once or in a quiet moment.
    private mutating func proceed(_ step: inout SlotStep) {
        guard let candidate = record.candidate, let swap = record.swap else { return }
        // In replace mode requests wait already.
        if swap == .sideBySide, record.current != nil, awaitIdle(&step) { return }
        move(to: .switching, [.switchOver(candidate, swap)], report: .switching, &step)
    }
}

extension SlotFailure {
    /// Too few of the candidate's answers agree with those of what serves.
    static func disagreed(_ result: ShadowResult, _ policy: ShadowPolicy) -> SlotFailure {
        let demanded = Double(policy.minAgreementPermille ?? 0) / 1000
        return SlotFailure(
            .final, code: ShadowPolicy.disagreedCode,
            message: "\(result.agreed) of \(result.compared) answers agreed with those of what serves "
                + "(\(percent(result.agreement ?? 0))); of \(policy.samples) the demanded \(percent(demanded)) cannot "
                + "be reached any more.")
    }
}

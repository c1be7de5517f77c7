internal import AgentStore
internal import MartletTypes
internal import Trust

extension SlotMachine {
    /// Begins the installation of what is assigned, or looks whether it may.
    mutating func begin(_ target: SlotTarget, _ step: inout SlotStep) {
        guard let conditions = target.assignment.update.conditions, conditions.asksBeforeStart else {
            move(to: .planning, [.plan(target)], &step)
            return
        }
        record.lookAt = nil
        move(to: .offered, [.look(conditions, notBefore: record.notBefore)], &step)
    }

    /// The same content, signed again and valid for longer: that changes nothing for the slot, unless it waits for just
    /// this.
    mutating func signAgain(_ target: SlotTarget, _ step: inout SlotStep) {
        record.target = target
        guard record.phase == .waiting, record.failedTry?.code == SlotFailure.overdue else { return }
        record.retryAt = nil
        begin(target, &step)
    }

    /// A time of its own for each device, slot and generation, the same however often it is asked for.
    func notBefore(_ target: SlotTarget, _ now: Timestamp) -> Timestamp? {
        guard let seconds = target.assignment.update.conditions?.jitterSeconds, seconds > 0 else { return nil }
        let seed = Digest.of(Array("\(device)/\(record.slot)/\(target.generation)".utf8))
        let share = Double(UInt64(seed.hex.prefix(13), radix: 16) ?? 0) / Double(1 << 52)
        return now + .milliseconds(Int64(share * Double(min(seconds, Self.longestJitter)) * 1000))
    }

    private static let longestJitter = 7 * 86_400

    /// A box without a clock of its own may have started in the past: its turn comes no later than it came at first.
    mutating func boundTurn(_ now: Timestamp) {
        guard let known = record.notBefore, let target = record.target else { return }
        record.notBefore = notBefore(target, now).map { min(known, $0) } ?? known
    }

    mutating func mayBegin(_ step: inout SlotStep) {
        switch record.phase {
        case .offered:
            guard let target = record.target else { return }
            record.lookAt = nil
            move(to: .planning, [.plan(target)], &step)
        case .idling:
            guard let candidate = record.candidate else { return }
            record.waitsFor = nil
            if let swap = record.swap {
                move(to: .switching, [.switchOver(candidate, swap)], report: .switching, &step)
            } else {
                move(to: .starting, [.startCandidate(candidate)], &step)
            }
        default: return
        }
    }

    /// Told once for each reason.
    mutating func mustWait(_ reason: String, _ until: Timestamp?, _ step: inout SlotStep) {
        guard record.phase == .offered || record.phase == .idling else { return }
        if record.waitsFor != reason {
            record.waitsFor = reason
            step.reports.append(report(.offered, code: UpdateConditions.waitingCode, message: reason))
        }
        guard record.phase == .offered, let until else { return }
        record.lookAt = until
        step.actions.append(.wake(until))
    }

    /// Waits for a quiet moment where the rollout demands one; false where it does not.
    mutating func awaitIdle(_ step: inout SlotStep) -> Bool {
        guard let seconds = record.target?.assignment.update.conditions?.idleSeconds, seconds > 0 else { return false }
        move(to: .idling, [.awaitIdle(seconds: seconds)], &step)
        return true
    }
}

extension UpdateConditions {
    /// Whether anything may hold up the beginning of an installation.
    var asksBeforeStart: Bool { !windows.isEmpty || onMains || belowCelsius != nil || jitterSeconds > 0 }
}

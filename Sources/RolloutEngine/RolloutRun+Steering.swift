internal import MartletTypes

extension RolloutRun {
    /// Whether an event that people or other rollouts cause has an effect in the present state.
    package func permits(_ event: RolloutEvent) -> Bool {
        switch event {
        case .start: header.state == .draft
        case .pause: header.state == .running
        case .resume: header.state == .paused
        case .abort, .superseded: !header.state.isFinal
        case .rollback: header.state != .draft && header.state != .rollingBack && header.state != .rolledBack
        case .tick, .assigned, .refused, .reported, .deviceGone, .deviceSuperseded: true
        }
    }

    mutating func steer(_ event: RolloutEvent, now: Timestamp) {
        guard permits(event) else { return }
        switch event {
        case .pause(let actor, let reason): pause("paused by \(actor)" + Self.tail(reason), now: now)
        case .resume(let actor, let reason): resume(by: actor, reason, now: now)
        case .abort(let actor, let reason): abort("aborted by \(actor)" + Self.tail(reason), now: now)
        case .rollback(let actor, let reason): rollBack("rolled back by \(actor)" + Self.tail(reason), now: now)
        case .superseded(let owner):
            for member in members { take(member.device, .superseded, RolloutCode.superseded, by: owner, now: now) }
            abort("superseded by \(owner)", now: now)
        case .start, .tick, .assigned, .refused, .reported, .deviceGone, .deviceSuperseded: return
        }
    }

    mutating func pause(_ reason: String, now: Timestamp) {
        header.state = .paused
        header.reason = reason
        record(.pause, reason, now: now)
    }

    private mutating func resume(by actor: String, _ reason: String, now: Timestamp) {
        header.state = .running
        header.acceptedFailures = tally.failed.count
        if header.wave < header.waveCount, tally.open[header.wave] == 0 { header.acceptedSilence = header.wave }
        let accepted = tally.failed.isEmpty ? "" : ", accepting that \(Phrase.devices(tally.failed.count)) failed"
        header.reason = "resumed by \(actor)\(accepted)" + Self.tail(reason)
        record(.resume, header.reason, now: now)
    }

    private mutating func abort(_ reason: String, now: Timestamp) {
        endPending(now: now)
        header.state = .aborted
        header.reason = reason
        record(.abort, "\(reason); \(Phrase.outcome(members))", now: now)
    }

    /// Takes every device that was offered the target back to what it had. Not bound by `maxInFlight`: nothing is
    /// downloaded, and a bad release must not serve a second longer.
    mutating func rollBack(_ reason: String, now: Timestamp) {
        endPending(now: now)
        header.state = .rollingBack
        header.reason = reason
        var devices: [DeviceID] = []
        for position in members.indices where members[position].generation != nil && members[position].takenBy == nil {
            update(position, now: now) {
                $0.restore = .wanted
                $0.restoreGeneration = nil
                $0.since = now
            }
            devices.append(members[position].device)
            commands.append(.restore(members[position].device))
        }
        record(.rollBack, "\(reason); \(Phrase.devices(devices.count)) to take back", now: now)
    }

    /// Ends a rollback when every device is back or was given up.
    mutating func finishRestore(now: Timestamp) {
        guard header.state == .rollingBack, tally.restoring.isEmpty else { return }
        let moved = members.filter { $0.restore == .done }
        let back = moved.filter { $0.state == .rolledBack }.count
        let lost = moved.filter { $0.state != .rolledBack }
        header.state = .rolledBack
        record(
            .rolledBack,
            "\(back) of \(Phrase.devices(moved.count)) confirmed that they are back"
                + (lost.isEmpty ? "" : "; not confirmed: \(Phrase.causes(lost))"), now: now)
    }

    /// Leaves out the devices that were not assigned the target.
    private mutating func endPending(now: Timestamp) {
        for position in members.indices where members[position].generation == nil && !members[position].state.isFinal {
            update(position, now: now) {
                $0.state = .skipped
                $0.since = nil
                $0.code = RolloutCode.rolloutEnded
            }
        }
    }

    private static func tail(_ reason: String) -> String { reason.isEmpty ? "" : ": \(reason)" }
}

internal import MartletTypes

extension RolloutRun {
    /// Takes every device that was moved back to what it had. Not bound by `maxInFlight` or the rate: nothing is
    /// downloaded, and a bad release must not serve a second longer.
    mutating func rollBack(_ cause: RolloutCause, _ reason: String, _ figures: GateFigures? = nil) {
        endPending()
        let count = takeBack(members.indices)
        header.waveBeingRolledBack = nil
        enter(.rollingBack, cause, reason)
        record(.rollBack, "\(reason); \(Phrase.devices(count)) to take back", figures)
    }

    /// Takes the devices of the wave at work back; earlier waves stay, and the rollout pauses once they are back.
    mutating func rollBackWave(_ cause: RolloutCause, _ reason: String, _ figures: GateFigures? = nil) {
        let wave = min(header.wave, header.waveCount - 1)
        guard wave >= 0 else { return pause(cause, reason, figures) }
        let count = takeBack(tally.places[wave])
        header.waveBeingRolledBack = wave
        enter(.rollingBack, cause, reason)
        record(.rollBack, "\(reason); \(Phrase.devices(count)) of wave \(wave + 1) to take back", figures)
    }

    /// Marks the members at `places` that were moved; how many those are.
    private mutating func takeBack(_ places: Range<Int>) -> Int {
        let present = time
        let due = time + Int64(header.policy.deviceDeadlineSeconds ?? RolloutLimits.restoreSeconds) * 1000
        var count = 0
        for position in places {
            let member = members[position]
            // One that was offered the target and never assigned it waits for its turn again.
            if member.isInFlight, !member.isMoved {
                update(position) {
                    $0.state = member.isHeld ? .skipped : .pending
                    $0.code = member.isHeld ? RolloutCode.held : nil
                    $0.wasOffered = false
                    $0.due = member.isHeld ? RolloutMember.never : present
                }
            }
            guard member.isMoved, member.takenBy == nil, !member.isRestoring else { continue }
            update(position) {
                $0.restore = .wanted
                $0.restoreGeneration = nil
                $0.isWaiting = false
                $0.due = due
            }
            count += 1
        }
        tally.firstWanted = places.lowerBound
        askForRestores()
        return count
    }

    /// Asks for the next restores, and again for those that were lost.
    mutating func askForRestores() {
        guard tally.wanted > 0 else { return }
        var position = tally.firstWanted
        while position < members.count, members[position].restore != .wanted { position += 1 }
        tally.firstWanted = position
        var count = 0
        while position < members.count, count < min(tally.wanted, RolloutLimits.commandsPerStep) {
            if members[position].restore == .wanted {
                command(.restore(members[position].device))
                count += 1
            }
            position += 1
        }
    }

    /// Ends a rollback when every device is back or was given up.
    mutating func finishRestore() {
        guard header.state == .rollingBack, tally.restoring == 0 else { return }
        let scope = header.waveBeingRolledBack.map { tally.places[$0] } ?? members.indices
        let moved = members[scope].filter { $0.restore == .done }
        let back = moved.filter { $0.state == .rolledBack }.count
        let lost = moved.filter { $0.state != .rolledBack }
        let result =
            "\(back) of \(Phrase.devices(moved.count)) confirmed that they are back"
            + (lost.isEmpty ? "" : "; not confirmed: \(Phrase.causes(lost))")
        if let wave = header.waveBeingRolledBack {
            header.waveBeingRolledBack = nil
            enterPhase(.moving)
            header.acceptedFailures = tally.failed.count
            enter(.paused, .waveRolledBack, "wave \(wave + 1) was taken back (\(result)): \(header.reason)")
            record(.rolledBack, header.reason)
        } else {
            enter(.rolledBack, header.cause, header.reason)
            record(.rolledBack, result)
        }
    }

    /// Leaves out the devices whose turn had not come, or that were not assigned the target; those that wait for
    /// another attempt stay failed.
    mutating func endPending() {
        for position in members.indices where !members[position].state.isFinal && members[position].restore == nil {
            let member = members[position]
            guard member.state == .pending || member.generation == nil else { continue }
            update(position) {
                $0.due = RolloutMember.never
                $0.isWaiting = false
                if member.isMoved, member.attempts > 0 {
                    $0.state = .failed
                } else {
                    $0.state = .skipped
                    $0.wasOffered = false
                    $0.code = RolloutCode.rolloutEnded
                }
            }
        }
    }
}

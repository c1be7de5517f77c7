internal import MartletTypes

/// What happens to single devices from outside.
extension RolloutRun {
    /// A device whose slot is no longer this rollout's: gone, or moved by someone else.
    mutating func take(_ device: DeviceID, _ state: DeviceRolloutState, _ code: String, by owner: String) {
        guard let position = tally.position(of: device) else { return }
        update(position) {
            guard $0.takenBy == nil else { return }
            $0.takenBy = owner
            $0.isMoved = false
            $0.due = RolloutMember.never
            if $0.isRestoring { $0.restore = .done }
            guard !$0.state.isFinal else { return }
            $0.state = state
            $0.code = code
            $0.message = owner == code ? nil : "by \(owner)"
        }
    }

    /// Keeps a device out whose turn has not come, or comes again; what is at work goes on.
    mutating func hold(_ device: DeviceID, _ code: String, by actor: String) {
        guard header.state == .draft || !header.state.isFinal, let position = tally.position(of: device),
            !members[position].isHeld, members[position].takenBy == nil
        else { return }
        let isPending = members[position].state == .pending && members[position].restore == nil
        update(position) {
            $0.isHeld = true
            guard isPending else { return }
            $0.due = RolloutMember.never
            $0.state = .skipped
            $0.code = code
            $0.message = "by \(actor)"
        }
        record(
            .hold,
            "\(device) is \(code) by \(actor)"
                + (isPending ? "; the rollout leaves it out" : "; it is \(members[position].state.rawValue) already"))
    }

    mutating func release(_ device: DeviceID) {
        guard header.state == .draft || !header.state.isFinal, let position = tally.position(of: device),
            members[position].isHeld
        else { return }
        let member = members[position]
        let wasLeftOut = member.state == .skipped && [RolloutCode.held, RolloutCode.pinned].contains(member.code)
        let comesAgain = wasLeftOut && !member.isRefused && member.restore == nil && member.takenBy == nil
        let wasPassed = header.state != .draft && member.wave <= header.wave
        let due = wasPassed ? time : RolloutMember.never
        update(position) {
            $0.isHeld = false
            guard comesAgain else { return }
            $0.state = .pending
            $0.code = nil
            $0.message = nil
            $0.due = due
        }
        record(.release, "\(device) is let in again" + (comesAgain ? "; its turn comes" : ""))
    }

    /// Appends devices that came to match to the last wave.
    mutating func joined(_ candidates: [RolloutCandidate]) {
        guard header.policy.membership == .dynamic, header.state == .running || header.state == .paused else { return }
        let fresh = WavePlan.ordered(
            candidates.filter { tally.position(of: $0.device) == nil }, by: header.policy.order, seed: header.seed)
        guard !fresh.isEmpty else { return }
        if header.waves.isEmpty { header.waves = [RolloutHeader.Wave(soakSeconds: 0, confirm: false)] }
        for candidate in fresh {
            var member = RolloutMember(candidate, wave: header.waveCount - 1, now: now)
            if member.state == .pending, header.wave >= header.waveCount { member.due = time }
            append(member)
        }
        record(
            .join,
            "\(Phrase.devices(fresh.count)) joined wave \(header.waveCount): "
                + Phrase.names(fresh.prefix(RolloutLimits.devicesNamed + 1).map(\.device), of: fresh.count))
    }

    /// Has devices tried again that did not come to serve the target; all of them where none is named.
    mutating func retry(by actor: String, _ devices: [DeviceID], _ why: String) {
        let named = devices.isEmpty ? Array(members.indices) : Set(devices.compactMap(tally.position)).sorted()
        let chosen = named.filter(mayRetry)
        let due = time
        for position in chosen {
            if members[position].hasFailed { header.acceptedFailures = max(0, header.acceptedFailures - 1) }
            update(position) {
                if $0.state == .failed || $0.state == .unreachable { $0.keepFailure() }
                $0.attempts += 1
                $0.state = .pending
                $0.restore = nil
                $0.restoreGeneration = nil
                $0.generation = nil
                $0.due = due
            }
        }
        // What is tried again counts anew.
        for (index, threshold) in header.policy.thresholds.enumerated() {
            let present = share(threshold)
            let accepted = header.acceptedShares[index]
            header.acceptedShares[index] = AcceptedShare(
                count: min(accepted.count, present.count), completed: min(accepted.completed, present.completed))
        }
        let names = chosen.prefix(RolloutLimits.devicesNamed + 1).map { members[$0].device }
        let reason =
            (chosen.isEmpty
                ? "\(actor) asked for another attempt, but no device failed that may have one"
                : "\(actor) has \(Phrase.devices(chosen.count)) tried again: \(Phrase.names(names, of: chosen.count))")
            + Self.tail(why)
        if header.state == .completed, !chosen.isEmpty { enter(.running, .retried, reason) }
        record(.retry, reason)
    }

    /// A refused device is never sent there again; one that is held, taken, or at work is left alone.
    private func mayRetry(_ position: Int) -> Bool {
        let member = members[position]
        guard member.takenBy == nil, !member.isRefused, !member.isHeld, !member.isRestoring, member.wasOffered,
            member.attempts < RolloutLimits.attempts
        else { return false }
        return [.failed, .rolledBack, .unreachable].contains(member.state)
    }
}

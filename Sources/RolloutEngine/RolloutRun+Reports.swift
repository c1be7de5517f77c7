internal import MartletTypes

extension RolloutRun {
    mutating func assigned(_ device: DeviceID, _ generation: Int64, now: Timestamp) {
        guard let position = tally.index[device] else { return }
        update(position, now: now) { member in
            if member.restore == .wanted {
                member.restore = .assigned
                member.restoreGeneration = generation
            } else if member.restore == nil, member.since != nil {
                member.generation = generation
            }
        }
    }

    mutating func refused(_ device: DeviceID, _ code: String, _ message: String, now: Timestamp) {
        guard let position = tally.index[device] else { return }
        update(position, now: now) { member in
            if member.isRestoring {
                member.restore = .done
            } else if member.isInFlight, member.generation == nil {
                member.state = .skipped
            } else {
                return
            }
            member.code = code
            member.message = message
        }
    }

    mutating func reported(_ report: RolloutEvent.DeviceReport, now: Timestamp) {
        guard let position = tally.index[report.device] else { return }
        let member = members[position]
        if member.restore == .assigned, report.generation == member.restoreGeneration {
            guard report.state.isFinal else { return }
            update(position, now: now) {
                $0.restore = .done
                if report.state == .succeeded || report.state == .rolledBack {
                    $0.state = .rolledBack
                } else {
                    $0.state = .failed
                    $0.code = report.code
                    $0.message = report.message
                }
            }
        } else if member.restore == nil, member.takenBy == nil, report.generation == member.generation {
            progress(position, report, now: now)
        }
    }

    /// Takes over where a device stands: forward only, and after its end only from having been given up.
    private mutating func progress(_ position: Int, _ report: RolloutEvent.DeviceReport, now: Timestamp) {
        let member = members[position]
        let isOutcome = report.state.isFinal && report.state != .unreachable
        let isLate = member.wasGivenUp && isOutcome
        let isForward = member.isInFlight && (isOutcome || report.state.stage > member.state.stage)
        let isSameStage = member.isInFlight && report.state == member.state
        guard isLate || isForward || isSameStage else { return }
        update(position, now: now) {
            $0.wasHeard = true
            $0.state = report.state
            $0.code = report.code
            $0.message = report.message
            $0.evaluation = report.evaluation ?? $0.evaluation
        }
    }

    /// A device whose slot is no longer this rollout's: gone, or moved by someone else.
    mutating func take(
        _ device: DeviceID, _ state: DeviceRolloutState, _ code: String, by owner: String, now: Timestamp
    ) {
        guard let position = tally.index[device] else { return }
        update(position, now: now) {
            guard $0.takenBy == nil else { return }
            $0.takenBy = owner
            if $0.isRestoring { $0.restore = .done }
            guard !$0.state.isFinal else { return }
            $0.state = state
            $0.code = code
            $0.message = owner == code ? nil : "by \(owner)"
        }
    }

    /// Gives up devices whose deadline is over, and asks again for commands that were lost.
    mutating func tick(now: Timestamp) {
        giveUp(now: now)
        let isOpen = header.state == .running || header.state == .paused
        for position in tally.inFlight.sorted() where isOpen && members[position].generation == nil {
            commands.append(.assign(members[position].device))
        }
        for position in tally.restoring.sorted() {
            if members[position].restore == .wanted {
                commands.append(.restore(members[position].device))
            } else if isOver(position, header.policy.deviceDeadlineSeconds ?? RolloutLimits.restoreSeconds, now: now) {
                update(position, now: now) {
                    $0.restore = .done
                    $0.state = .unreachable
                    $0.code = RolloutCode.restoreUnconfirmed
                }
            }
        }
    }

    private mutating func giveUp(now: Timestamp) {
        guard let seconds = header.policy.deviceDeadlineSeconds else { return }
        var timedOut: [DeviceID] = []
        var silent: [DeviceID] = []
        for position in tally.inFlight.sorted() where isOver(position, seconds, now: now) {
            let member = members[position]
            if member.wasHeard { timedOut.append(member.device) } else { silent.append(member.device) }
            update(position, now: now) {
                $0.state = member.wasHeard ? .failed : .unreachable
                $0.code = member.wasHeard ? RolloutCode.timedOut : RolloutCode.silent
                $0.message =
                    member.wasHeard ? "still \(member.state.rawValue) after \(seconds) s" : "silent for \(seconds) s"
            }
        }
        var parts: [String] = []
        if !timedOut.isEmpty { parts.append("\(Phrase.names(timedOut)) did not finish within \(seconds) s") }
        if !silent.isEmpty { parts.append("\(Phrase.names(silent)) could not be reached for \(seconds) s") }
        if !parts.isEmpty { record(.timeOut, parts.joined(separator: "; "), now: now) }
    }

    /// Whether a member's deadline is over. A clock that went back starts the deadline anew.
    private mutating func isOver(_ position: Int, _ seconds: Int, now: Timestamp) -> Bool {
        guard let since = members[position].since else { return false }
        if now < since {
            update(position, now: now) { $0.since = now }
            return false
        }
        return now - since >= .seconds(seconds)
    }
}

extension DeviceRolloutState {
    /// The order of the stages of an installation; reports that go back in it came late.
    fileprivate var stage: Int {
        switch self {
        case .pending: 0
        case .offered: 1
        case .downloading: 2
        case .verifying: 3
        case .probing: 4
        case .switching: 5
        case .soaking: 6
        case .succeeded, .failed, .rolledBack, .skipped, .unreachable, .superseded: 7
        }
    }
}

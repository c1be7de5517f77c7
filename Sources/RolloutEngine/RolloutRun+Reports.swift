internal import MartletTypes

extension RolloutRun {
    mutating func assigned(_ device: DeviceID, _ generation: Int64) {
        guard let position = tally.position(of: device) else { return }
        let isGoingBack =
            header.state == .rolledBack || header.state == .rollingBack && header.waveBeingRolledBack == nil
        let due = time + Int64(RolloutLimits.restoreSeconds) * 1000
        var member = members[position]
        if member.restore == .wanted {
            member.restore = .assigned
            member.restoreGeneration = generation
        } else if member.restore == nil, member.takenBy == nil {
            member.isMoved = true
            if member.wasOffered { member.generation = generation }
            // The assignment was on its way when all were told to go back.
            if isGoingBack {
                member.restore = .wanted
                member.due = due
                command(.restore(device))
            }
        }
        put(member, at: position)
    }

    mutating func refused(_ device: DeviceID, _ code: String, _ message: String) {
        guard let position = tally.position(of: device) else { return }
        update(position) { member in
            if member.isRestoring {
                member.restore = .done
                if !member.state.isFinal { member.state = .failed }
            } else if member.isInFlight, member.generation == nil {
                member.state = .skipped
                member.isRefused = true
            } else {
                return
            }
            member.due = RolloutMember.never
            member.code = code
            member.message = message
        }
    }

    mutating func reported(_ report: RolloutEvent.DeviceReport) {
        guard let position = tally.position(of: report.device) else { return }
        let member = members[position]
        if member.restore == .assigned, report.generation == member.restoreGeneration {
            guard report.state.isFinal else { return }
            update(position) {
                $0.restore = .done
                $0.due = RolloutMember.never
                if report.state == .succeeded || report.state == .rolledBack {
                    $0.state = .rolledBack
                    $0.isMoved = false
                } else {
                    $0.state = .failed
                    $0.code = report.code
                    $0.message = report.message
                }
            }
        } else if member.restore == nil, member.takenBy == nil, report.generation == member.generation {
            progress(position, report)
        }
    }

    /// Takes over where a device stands: forward only, and after its end only from having been given up.
    private mutating func progress(_ position: Int, _ report: RolloutEvent.DeviceReport) {
        let member = members[position]
        let isOutcome = report.state.isFinal && report.state != .unreachable
        let isLate = member.wasGivenUp && isOutcome
        let waits = report.state == .offered && report.code == UpdateConditions.waitingCode
        let isForward = isOutcome || waits || member.isWaiting || report.state.stage >= member.state.stage
        guard isLate || member.isInFlight && isForward, report.state != .unreachable, report.state != .pending else {
            return
        }
        var next = member
        next.wasHeard = true
        next.state = report.state
        next.details.set(report)
        wait(waits, &next)
        if isOutcome {
            next.due = RolloutMember.never
            next.isRefused = report.state != .succeeded && report.code.map(RolloutCode.refusals.contains) ?? false
            if report.state == .failed || report.state == .rolledBack { tryAgainLater(&next) }
        }
        put(next, at: position)
    }

    /// Stops a member's deadline while it waits for its conditions, and lets it run on after that.
    private func wait(_ waits: Bool, _ member: inout RolloutMember) {
        guard waits != member.isWaiting else { return }
        let longest = Int64(RolloutLimits.waitingSeconds) * 1000
        member.isWaiting = waits
        if waits {
            member.details.left = max(0, member.due - time)
            member.due = time + max(0, longest - member.details.waited)
        } else {
            member.details.waited += max(0, time - (member.due - max(0, longest - member.details.waited)))
            member.due = time + member.details.left
            member.details.left = 0
        }
    }

    /// Puts a failed member back for another attempt, where the policy grants one.
    private func tryAgainLater(_ member: inout RolloutMember) {
        let retry = header.policy.retry
        guard member.attempts < min(retry.attempts, RolloutLimits.attempts), !member.isRefused, !member.isHeld,
            header.state == .running || header.state == .paused, RolloutCode.isWorthRetrying(member.code, retry)
        else { return }
        member.keepFailure()
        member.due = time + backoff(member.device, attempt: member.attempts)
        member.attempts += 1
        member.state = .pending
        member.generation = nil
        member.isWaiting = false
    }

    /// Milliseconds to the next attempt: doubled each time, up to the cap, of which a fifth is spread by a hash, so
    /// that
    /// devices that failed together do not come back together.
    private func backoff(_ device: DeviceID, attempt: Int) -> Int64 {
        let retry = header.policy.retry
        let most = Double(max(0, retry.maxBackoffSeconds))
        var seconds = min(Double(max(0, retry.backoffSeconds)), most)
        for _ in 0..<attempt where seconds < most { seconds = min(seconds * 2, most) }
        let spread = WavePlan.hash(device, seed: "\(header.seed)\n\(attempt)") % 1000
        return Int64(seconds * 1000 * (0.8 + 0.2 * Double(spread) / 1000))
    }

    /// Gives up devices whose deadline is over, and asks again for commands that were lost.
    mutating func tick() {
        if header.batch > 0 {
            header.batch = 0
            isTouched = true
        }
        giveUp()
        if header.state == .running || header.state == .paused {
            for position in tally.unassigned.sorted().prefix(RolloutLimits.commandsPerStep) {
                command(.assign(members[position].device))
            }
        }
        askForRestores()
        judgeCounts()
    }

    private mutating func giveUp() {
        var late: [DeviceID] = []
        var silent: [DeviceID] = []
        while let first = tally.deadlines.first, first.due <= time {
            tally.deadlines.removeFirst()
            let position = Int(first.place)
            let member = members[position]
            guard member.due == first.due, member.state != .pending || member.restore != nil else { continue }
            if member.isRestoring {
                update(position) {
                    $0.restore = .done
                    $0.due = RolloutMember.never
                    $0.state = .unreachable
                    $0.code = RolloutCode.restoreUnconfirmed
                }
            } else if member.isInFlight {
                if member.wasHeard { late.append(member.device) } else { silent.append(member.device) }
                giveUp(position)
            }
        }
        let seconds = header.policy.deviceDeadlineSeconds ?? Limits.rolloutDeadlineSeconds
        var parts: [String] = []
        if !late.isEmpty { parts.append("\(Phrase.names(late)) did not finish within \(seconds) s") }
        if !silent.isEmpty { parts.append("\(Phrase.names(silent)) could not be reached for \(seconds) s") }
        if !parts.isEmpty { record(.timeOut, parts.joined(separator: "; ")) }
    }

    private mutating func giveUp(_ position: Int) {
        let seconds = header.policy.deviceDeadlineSeconds ?? Limits.rolloutDeadlineSeconds
        var member = members[position]
        if member.isWaiting {
            let days = RolloutLimits.waitingSeconds / 86_400
            member.message = "waited for \(days) days" + (member.message.map { ": \($0)" } ?? "")
            member.code = RolloutCode.timedOut
        } else {
            let state = member.state.rawValue
            member.message = member.wasHeard ? "still \(state) after \(seconds) s" : "silent for \(seconds) s"
            member.code = member.wasHeard ? RolloutCode.timedOut : RolloutCode.silent
        }
        member.state = member.wasHeard ? .failed : .unreachable
        member.isWaiting = false
        member.due = RolloutMember.never
        tryAgainLater(&member)
        put(member, at: position)
    }
}

extension RolloutMember.Details {
    fileprivate mutating func set(_ report: RolloutEvent.DeviceReport) {
        code = report.code
        message = report.message
        evaluation = report.evaluation ?? evaluation
        shadow = report.shadow ?? shadow
    }
}

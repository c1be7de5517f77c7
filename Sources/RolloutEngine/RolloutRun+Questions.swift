package import MartletTypes

/// How far a wave has come.
package struct WaveProgress: Sendable, Hashable, Codable {
    /// From 0.
    package let wave: Int
    package let devices: Int
    /// Devices that are not through.
    package let open: Int
    package let succeeded: Int
    package let failed: Int
    package let soakSeconds: Int
    package let confirm: Bool
}

/// What callers ask; nothing here costs more than a look at the counts.
extension RolloutRun {
    /// One device's part; nil where it does not take part.
    package func member(_ device: DeviceID) -> RolloutMember? { tally.position(of: device).map { members[$0] } }

    /// Devices by state.
    package var counts: [DeviceRolloutState: Int] {
        let found = DeviceRolloutState.allCases.map { ($0, tally[$0]) }.filter { $0.1 > 0 }
        return Dictionary(uniqueKeysWithValues: found)
    }

    /// Devices by outcome, of those that are through.
    package var outcomes: [RolloutOutcome: Int] { tally.outcomes.filter { $0.value > 0 } }

    /// Devices that serve the target. None in a completed rollout is no success.
    package var succeeded: Int { tally.outcomes[.succeeded] ?? 0 }

    /// Devices at work on the target now.
    package var inFlight: Int { tally.inFlight }

    /// Devices that are to go back and were not told yet.
    package var toTakeBack: Int { tally.wanted }

    /// The waves in their order.
    package var waves: [WaveProgress] {
        header.waves.enumerated().map { number, wave in
            WaveProgress(
                wave: number, devices: tally.places[number].count, open: tally.open[number],
                succeeded: tally.succeeded[number], failed: tally.failures[number], soakSeconds: wave.soakSeconds,
                confirm: wave.confirm)
        }
    }

    /// When the event `observed` is wanted next; nil while no gate looks at what devices measure. Before `now` means
    /// at once.
    package var nextMeasurement: Timestamp? {
        guard header.state == .running, header.wave < header.waveCount else { return nil }
        guard tally[.soaking] > 0 || succeeded > 0 || !tally.measured.isEmpty else { return nil }
        let due = header.policy.gates.indices
            .filter { header.policy.gates[$0].metric != .failureRate && header.gates[$0].acceptedWave != header.wave }
            .map { header.gates[$0].due }
        return due.min().map(header.clock.moment)
    }

    /// When the event `tick` has something to do next, if nothing else happens; nil never. Before `now` means at once:
    /// a step gives no more than `RolloutLimits.commandsPerStep` commands of a kind, and the next goes on.
    /// To tick more often is harmless; a tick once in a while keeps the rollout's clock.
    package var nextTick: Timestamp? {
        guard header.state != .draft, !header.state.isFinal else { return nil }
        var due: [Int64] = []
        if let first = tally.deadlines.first { due.append(first.due) }
        if tally.wanted > 0 { due.append(header.clock.elapsed) }
        if header.state == .running {
            if let end = header.phaseEnd, header.phase == .soaking { due.append(end) }
            if hasRoom, let first = tally.retries.first { due.append(max(first.due, header.nextStart)) }
            if hasMoreToStart { due.append(header.policy.rate == nil ? header.clock.elapsed : header.nextStart) }
            due += header.policy.gates.indices.filter { isCounted($0) }.map { header.gates[$0].due }
        }
        if header.state != .rollingBack, !tally.unassigned.isEmpty { due.append(header.clock.elapsed) }
        return due.min().map(header.clock.moment)
    }

    /// Whether devices of the wave at work wait for their first turn and others do not stand in their way.
    package var hasMoreToStart: Bool {
        guard header.state == .running, header.wave < header.waveCount, hasRoom else { return false }
        let places = tally.firstPending[header.wave]..<tally.places[header.wave].upperBound
        return places.contains { members[$0].state == .pending && !members[$0].isWaitingForRetry }
    }

    /// When the rollout ends if it goes on as until now and no gate stops it; nil while that cannot be said.
    package func estimatedEnd(now: Timestamp) -> Timestamp? {
        guard header.state == .running, let begun = header.begun else { return nil }
        let through = members.count - tally.open.reduce(0, +)
        let time = header.clock.time(at: now)
        guard through > 0, time > begun else { return nil }
        let each = Double(time - begun) / Double(through)
        let soaks = header.waves.dropFirst(header.wave).map(\.soakSeconds).reduce(0, +)
        let left = each * Double(members.count - through) + Double(soaks) * 1000
        return now + .milliseconds(Int64(min(left, 1e15)))
    }

    /// Whether a gate of the wave at work looks at the rollout's own counts.
    private func isCounted(_ gate: Int) -> Bool {
        header.policy.gates[gate].metric == .failureRate && header.wave < header.waveCount
            && header.gates[gate].acceptedWave != header.wave
    }

    /// Whether one more device may be in flight.
    var hasRoom: Bool { header.policy.maxInFlight.map { tally.inFlight < max(1, $0) } ?? true }
}

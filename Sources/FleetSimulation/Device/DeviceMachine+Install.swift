internal import MartletAPI
internal import MartletTypes
internal import Telemetry
internal import Trust

extension DeviceMachine {
    /// Takes an assignment up: each slot whose generation rose is moved, one that is not named any more is emptied.
    mutating func accept(_ assignment: Assignment, _ now: Timestamp) {
        number = max(number, assignment.number)
        for name in slots.keys where assignment.slots[name] == nil {
            measure(name, until: now)
            slots[name] = nil
            owesInventory = true
        }
        for (name, wanted) in assignment.slots.sorted(by: { $0.key.text < $1.key.text })
        where slots[name]?.seen != wanted.generation {
            begin(wanted, name, now)
        }
    }

    private mutating func begin(_ wanted: SlotAssignment, _ name: SlotName, _ now: Timestamp) {
        var slot = slots[name] ?? SimulatedSlot(measuredSince: now)
        let releases = wanted.releases.map(\.path)
        slot.seen = wanted.generation
        slot.override = nil
        let attempt = slot.attempts[releases, default: 0]
        slot.attempts[releases] = attempt + 1
        let influence = ReleaseInfluence(releases, on: traits, profile: plan.profile, attempt: attempt)
        var work = SimulatedSlot.Work(
            assignment: wanted, generation: SimulatedSlot.Generation(wanted, influence), stages: [])
        if slot.current?.releases == releases {
            work.stages = [SimulatedSlot.Stage(state: .succeeded, time: now)]
        } else if slot.previous?.releases == releases {
            work.stages = restoreStages(wanted, now)
        } else {
            work.bytesFetched = bytes(wanted)
            work.stages = stages(of: work, influence, attempt, now)
            work.fetches = ReleaseFetch.first(of: wanted, plan.fetch)
        }
        slot.work = work
        slots[name] = slot
    }

    private func bytes(_ wanted: SlotAssignment) -> Int64 {
        var random = traits.random("size " + wanted.releases.map(\.path.text).joined(separator: "+"))
        return Int64(plan.profile.releaseMegabytes.sample(&random, atLeast: 0) * 1_000_000)
    }

    /// Going back: what is on the disk is started and switched to.
    private func restoreStages(_ wanted: SlotAssignment, _ now: Timestamp) -> [SimulatedSlot.Stage] {
        var random = traits.random("restore \(wanted.generation)")
        let time = plan.real(plan.profile.installation.restore.sample(&random, atLeast: 0))
        return [
            SimulatedSlot.Stage(state: .probing, time: now), SimulatedSlot.Stage(state: .switching, time: now + time),
            SimulatedSlot.Stage(state: .succeeded, time: now + time),
        ]
    }

    private func stages(
        of work: SimulatedSlot.Work, _ influence: ReleaseInfluence, _ attempt: Int, _ now: Timestamp
    ) -> [SimulatedSlot.Stage] {
        let times = plan.profile.installation
        var random = traits.random("install \(work.generation.label.path) attempt \(attempt)")
        let conditions = work.assignment.update.conditions
        let speed = min(traits.bytesPerSecond, conditions?.bytesPerSecond.map(Double.init) ?? .infinity)
        let fetch = plan.real(Double(work.bytesFetched) / max(speed, 1))
        let start = plan.real(times.probe.sample(&random, atLeast: 0))
        var at = now + plan.real(Double(conditions?.jitterSeconds ?? 0) * random.unit())
        var stages: [SimulatedSlot.Stage] = []
        func add(_ state: DeviceRolloutState, lasting duration: Duration) {
            stages.append(SimulatedSlot.Stage(state: state, time: at))
            at = at + duration
        }
        add(.downloading, lasting: fetch)
        add(.verifying, lasting: plan.real(times.verify.sample(&random, atLeast: 0)))
        add(.probing, lasting: start)
        add(.switching, lasting: plan.real(times.switching.sample(&random, atLeast: 0)))
        add(.soaking, lasting: plan.real(Double(work.assignment.update.soakSeconds)))
        add(.succeeded, lasting: .zero)
        if let failure = influence.failure, let index = stages.firstIndex(where: { $0.state == failure.at }) {
            stages = Array(stages[...(index + 1)])
            stages[index + 1].state = .failed
            stages[index + 1].code = failure.code
        }
        for index in stages.indices {
            if stages[index].state != .downloading { stages[index].fetchMilliseconds = fetch.wholeMilliseconds }
            if [.switching, .soaking, .succeeded].contains(stages[index].state) {
                stages[index].startMilliseconds = start.wholeMilliseconds
            }
        }
        return stages
    }

    /// Reaches every stage whose time has come.
    mutating func advance(_ now: Timestamp) {
        for name in slots.keys.sorted(by: { $0.text < $1.text }) {
            while let work = slots[name]?.work, work.fetches.isEmpty, let stage = work.stages.first, stage.time <= now {
                slots[name]?.work?.stages.removeFirst()
                reach(stage, work, name, now)
            }
        }
    }

    private mutating func reach(
        _ stage: SimulatedSlot.Stage, _ work: SimulatedSlot.Work, _ name: SlotName, _ now: Timestamp
    ) {
        switch stage.state {
        case .soaking, .succeeded:
            measure(name, until: stage.time)
            slots[name]?.switchOver()
        case .failed:
            measure(name, until: stage.time)
            slots[name]?.switchBack()
            slots[name]?.override = "\(stage.code ?? "failed"): as the profile says"
        default: break
        }
        say(
            DeviceReport(
                sequence: 0, time: ownTime(stage.time), slot: name, generation: work.assignment.generation,
                rollout: work.assignment.rollout, releases: work.generation.releases, state: stage.state,
                code: stage.code, message: stage.code.map { _ in "as the simulation's profile says" },
                figures: figures(stage, work)), now)
        guard stage.state.isFinal else { return }
        slots[name]?.work = nil
        owesInventory = true
    }

    /// Ends an installation that cannot go on.
    mutating func fail(_ name: SlotName, _ code: String, _ now: Timestamp) {
        guard slots[name]?.work != nil else { return }
        slots[name]?.work?.fetches = []
        slots[name]?.work?.stages = [SimulatedSlot.Stage(state: .failed, time: now, code: code)]
    }

    private func figures(_ stage: SimulatedSlot.Stage, _ work: SimulatedSlot.Work) -> DeviceReport.Figures? {
        guard stage.fetchMilliseconds != nil || stage.startMilliseconds != nil else { return nil }
        var figures = DeviceReport.Figures(
            bytesFetched: work.bytesFetched, fetchMilliseconds: stage.fetchMilliseconds,
            startMilliseconds: stage.startMilliseconds)
        if stage.startMilliseconds != nil || stage.code == "evaluationFailed" {
            figures.evaluation = evaluation(work)
            figures.shadow = shadow(work)
        }
        return figures
    }

    private func evaluation(_ work: SimulatedSlot.Work) -> EvaluationResult {
        let influence = work.generation.influence
        var random = traits.random("evaluation " + work.generation.label.path)
        let rows = SimulationLimits.evaluationRows
        let correct = (0..<rows).count { _ in random.happens(influence.accuracy) }
        let median = plan.profile.requests.durationSeconds.sample(&random, atLeast: 0) * 1000 * influence.slowness
        return EvaluationResult(rows: rows, correct: correct, failed: 0, medianMilliseconds: median)
    }

    private func shadow(_ work: SimulatedSlot.Work) -> ShadowResult? {
        guard let policy = work.assignment.update.shadow else { return nil }
        var random = traits.random("shadow " + work.generation.label.path)
        let agreed = (0..<max(0, policy.samples)).count { _ in random.happens(work.generation.influence.agreement) }
        let live = plan.profile.requests.durationSeconds.sample(&random, atLeast: 0) * 1000
        return ShadowResult(
            compared: max(0, policy.samples), agreed: agreed, failed: 0, passedOver: 0, liveMedianMilliseconds: live,
            candidateMedianMilliseconds: live * work.generation.influence.slowness)
    }

    // MARK: Reading the release for its bytes

    /// What is to be read next, of the slot that comes first by name.
    var nextFetch: (SlotName, ReleaseFetch)? {
        for (name, slot) in slots.sorted(by: { $0.key.text < $1.key.text }) {
            if let fetch = slot.work?.fetches.first { return (name, fetch) }
        }
        return nil
    }

    mutating func fetched(_ bytes: [UInt8], _ name: SlotName, _ now: Timestamp) {
        guard let fetch = slots[name]?.work?.fetches.first else { return }
        slots[name]?.work?.fetches.removeFirst()
        do {
            if fetch.kind != .blob, let digest = fetch.digest, Digest.of(bytes, digest.algorithm) != digest {
                fail(name, "digestMismatch", now)
                return
            }
            let further = try fetch.next(in: bytes, plan.fetch)
            slots[name]?.work?.fetches += further
        } catch {
            fail(name, "malformedRelease", now)
        }
    }
}

extension Duration {
    var wholeMilliseconds: Int64 {
        components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
    }
}

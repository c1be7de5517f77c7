import MartletAPI
import MartletTypes
import RegistryStore
import RolloutEngine

extension RolloutService {
    /// Steers a rollout, of which the leader makes what one step does not hold. Throws 409 `rolloutState` where its
    /// state does not permit that, 404 where the caller does not reach it.
    func change(
        _ id: RolloutID, _ action: RolloutAction, _ change: RolloutChange = RolloutChange(), by actor: String,
        within reach: Reach
    ) async throws -> RolloutInfo {
        guard change.reason.utf8.count <= ServerLimits.reasonBytes else {
            throw ServerError.badRequest("A reason has at most \(ServerLimits.reasonBytes) bytes.", field: "/reason")
        }
        let kept = kept
        try await drive { driver in
            _ = try RolloutReach(reach, driver.sql).find(id, kept)
            try Self.steer(id, action, change, by: actor, &driver)
        }
        return try await rollout(id, within: reach)
    }

    static func steer(
        _ id: RolloutID, _ action: RolloutAction, _ change: RolloutChange, by actor: String,
        _ driver: inout RolloutDriver
    ) throws {
        guard let row = try driver.rollout(id) else { throw unknown(id) }
        let event: RolloutEvent =
            switch action {
            case .pause: .pause(by: actor, reason: change.reason)
            case .resume: .resume(by: actor, reason: change.reason)
            case .confirm: .confirm(by: actor, reason: change.reason)
            case .retry: .retry(by: actor, devices: change.devices, reason: change.reason)
            case .abort: .abort(by: actor, reason: change.reason)
            case .rollback: .rollback(by: actor, reason: change.reason)
            }
        guard row.run.permits(event) else {
            let header = row.run.header
            let phase = header.state == .running ? ", \(header.phase.rawValue)" : ""
            throw ServerError.conflict(
                "rolloutState",
                "Rollout \(id) is \(header.state.rawValue)\(phase): \(action.rawValue) is not possible.",
                remedy: "`martlet rollout explain \(id)` says where it stands and why.")
        }
        for (index, device) in change.devices.enumerated() where row.run.member(device) == nil {
            throw ServerError.unprocessable(
                "notInRollout", "Device \(device) takes no part in rollout \(id).",
                remedy: "`martlet rollout show \(id)` shows who does.", field: "/devices/\(index)")
        }
        try AuditLog(driver.sql).append(
            actor: actor, action: "rollout.ask.\(action.rawValue)", subject: id.text,
            detail: .object([
                "reason": .string(change.reason), "devices": .array(change.devices.map { .string($0.text) }),
            ]), now: driver.now)
        if action == .retry { try leaveMoved(row, &driver) }
        try driver.tell(event, id)
    }

    /// A rollout that is tried again after its end must not take back what others have moved since.
    private static func leaveMoved(_ row: RolloutRow, _ driver: inout RolloutDriver) throws {
        var lost: [String: [DeviceID]] = [:]
        for member in row.run.members where member.takenBy == nil && member.generation != nil {
            let desired = try SlotStore(driver.sql).desired(member.device, row.slot)
            guard desired?.rollout != row.id else { continue }
            lost[desired?.rollout?.text ?? "an operator", default: []].append(member.device)
        }
        for (owner, devices) in lost.sorted(by: { $0.key < $1.key }) {
            try driver.tell(.devicesSuperseded(devices, by: owner), row.id)
        }
    }

    static func find(_ id: RolloutID, _ sql: any SQLConnection) throws -> RolloutRow {
        guard let row = try RolloutStore(sql).find(id) else { throw unknown(id) }
        return row
    }

    static func unknown(_ id: RolloutID) -> ServerError {
        .notFound(
            "unknownRollout", "There is no rollout \(id).", remedy: "`martlet rollout list` shows those that are.")
    }

    func rollout(_ id: RolloutID, within reach: Reach) async throws -> RolloutInfo {
        let (core, kept) = (core, kept)
        return try await core.database.read { sql in
            let row = try RolloutReach(reach, sql).find(id, kept)
            return try Self.info(row, sql, now: core.clock())
        }
    }

    /// One page of rollouts within reach, newest first.
    func rollouts(before last: RolloutID?, limit: Int, within reach: Reach) async throws -> Page<RolloutInfo> {
        try await core.database.read { sql in
            let within = try RolloutReach(reach, sql)
            var items: [RolloutInfo] = []
            var last = last
            // Others are left out here, so pages are read until one is full or the end is reached.
            while true {
                let rows = try RolloutStore(sql).list(before: last, limit: limit + 1)
                for row in rows where try within.contains(row.rollout) {
                    guard items.count < limit else { return Page(items: items, next: items.last?.id.text) }
                    items.append(Self.info(row.rollout, counts: row.counts))
                }
                guard rows.count > limit else { return Page(items: items) }
                last = rows.last?.rollout.id
            }
        }
    }

    /// One page of a rollout's devices in the order of the waves, of one state where `state` is given.
    func devices(
        of id: RolloutID, in state: DeviceRolloutState?, after last: Int64?, limit: Int, within reach: Reach
    ) async throws -> Page<RolloutInfo.Device> {
        let kept = kept
        return try await core.database.read { sql in
            _ = try RolloutReach(reach, sql).find(id, kept)
            let rows = try RolloutStore(sql).members(of: id, in: state, after: last, limit: limit + 1)
            let next = rows.count > limit ? rows[limit - 1].position : nil
            return Page(
                items: rows.prefix(limit).map { RolloutInfo.Device($0.member) }, next: next.map { String($0) })
        }
    }

    /// A rollout with its waves, gates, and those of its devices and decisions that matter most.
    static func info(_ row: RolloutRow, _ sql: any SQLConnection, now: Timestamp) throws -> RolloutInfo {
        var info = info(row, counts: row.run.counts)
        let header = row.run.header
        let shown = ShownMembers(row.run.members, now: now)
        info.devices = shown.members.map(RolloutInfo.Device.init)
        info.devicesLeft = shown.left > 0 ? shown.left : nil
        info.endedLately = shown.endedLately
        info.decisions = try RolloutStore(sql).decisions(row.id, newest: ServerLimits.decisionsShown)
            .map(RolloutInfo.Decision.init)
        info.progress = progress(row.run)
        info.gates = GateStanding.all(header)
        let proofs = try ProofsByProfile(row.run.members, sql).proofs
        info.proofs = proofs.isEmpty ? nil : proofs
        info.estimatedEnd = row.run.estimatedEnd(now: now)
        return info
    }

    private static func progress(_ run: RolloutRun) -> [RolloutInfo.Wave] {
        var counts = Array(repeating: [String: Int](), count: run.header.waveCount)
        for member in run.members where counts.indices.contains(member.wave) {
            counts[member.wave][member.state.rawValue, default: 0] += 1
        }
        return run.waves.map { wave in
            RolloutInfo.Wave(
                devices: wave.devices, counts: counts[wave.wave], soakSeconds: wave.soakSeconds, confirm: wave.confirm)
        }
    }

    private static func info(_ row: RolloutRow, counts: [DeviceRolloutState: Int]) -> RolloutInfo {
        let header = row.run.header
        var info = RolloutInfo(
            id: row.id, slot: row.slot, releases: row.releases, fleet: row.fleet, selector: row.selector,
            state: header.state, reason: header.reason, policy: header.policy, created: row.created,
            createdBy: row.createdBy, wave: header.wave, waves: header.waveCount,
            counts: Dictionary(uniqueKeysWithValues: counts.map { ($0.key.rawValue, $0.value) }))
        info.cause = header.cause.rawValue
        info.phase = header.state == .running ? header.phase.rawValue : nil
        return info
    }
}

extension RolloutInfo.Device {
    init(_ member: RolloutMember) {
        self.init(
            device: member.device, wave: member.wave, state: member.state, code: member.code,
            message: member.message, evaluation: member.evaluation, shadow: member.shadow, updated: member.updated)
        attempts = member.attempts > 0 ? member.attempts : nil
        lastFailure = member.state == .succeeded ? nil : member.lastFailure
    }
}

extension RolloutInfo.Decision {
    init(_ decision: RolloutDecision) {
        self.init(
            time: decision.time, action: decision.action.rawValue, reason: decision.reason,
            figures: decision.figures.map(GateResult.init))
    }
}

extension GateResult {
    init(_ figures: GateFigures) {
        self.init(
            gate: figures.gate, verdict: figures.verdict.rawValue, method: figures.method.rawValue,
            sentence: figures.sentence)
        value = figures.value
        baseline = figures.baseline
        bound = figures.bound
        effect = figures.effect
        low = figures.low
        high = figures.high
        probability = figures.probability
        devices = figures.devices
        baselineDevices = figures.baselineDevices
        worst = figures.worst
    }
}

extension GateStanding {
    /// The gates of a rollout in the policy's order.
    static func all(_ header: RolloutHeader) -> [GateStanding] {
        zip(header.policy.gates, header.gates).map { gate, progress in
            GateStanding(
                gate: gate, failures: progress.failures, inconclusive: progress.inconclusive,
                hasPassed: progress.hasPassed, result: progress.figures.map(GateResult.init))
        }
    }
}

import MartletTypes
import RegistryStore
import RolloutEngine
import Trust

/// Drives rollouts inside one transaction: the engine decides, its commands are carried out, all of it is saved
/// together.
struct RolloutDriver {
    let sql: any SQLConnection
    let now: Timestamp
    /// Moves that were made, so that whoever commits can wake the devices and tell the operator.
    private(set) var changes: [DesiredChange] = []
    /// Rollouts that were written.
    private(set) var touched: Set<RolloutID> = []

    init(_ sql: any SQLConnection, now: Timestamp) {
        self.sql = sql
        self.now = now
    }

    /// Tells a rollout something and carries out what it wants until it wants nothing more.
    mutating func tell(_ event: RolloutEvent, _ id: RolloutID) throws {
        guard var row = try RolloutStore(sql).find(id) else { return }
        try tell(event, &row)
    }

    mutating func tell(_ event: RolloutEvent, _ row: inout RolloutRow) throws {
        let before = row.run.header
        var events = [event]
        var isChanged = false
        while !events.isEmpty {
            for command in row.run.handle(events.removeFirst(), now: now) {
                isChanged = true
                switch command {
                case .assign(let device): events.append(try assign(device, row))
                case .restore(let device): events.append(try restore(device, row))
                case .record(let decision): try record(decision, row)
                }
            }
        }
        // Ticks mostly change nothing, and most rollouts do not know a device; then nothing is written and nobody is
        // woken.
        switch event {
        case .tick where !isChanged && row.run.header == before: return
        case .deviceGone(let device) where row.run.member(device) == nil: return
        default: break
        }
        try RolloutStore(sql).save(&row, now: now)
        touched.insert(row.id)
    }

    /// Tells every open rollout of a slot that another owner moved a device.
    mutating func supersede(_ device: DeviceID, _ slot: SlotName, by owner: String, except: RolloutID? = nil) throws {
        for id in try RolloutStore(sql).open(slot: slot, device: device) where id != except {
            try tell(.deviceSuperseded(device, by: owner), id)
        }
    }

    /// Moves slots by hand, and tells the rollouts that thereby lose them.
    mutating func move(_ moves: [DesiredMove], by owner: String) throws {
        changes += try AssignmentStore(sql).setDesired(moves, now: now)
        for move in moves { try supersede(move.device, move.slot, by: owner) }
    }

    private mutating func assign(_ device: DeviceID, _ row: RolloutRow) throws -> RolloutEvent {
        let before = try SlotStore(sql).desired(device, row.slot)
        try RolloutStore(sql).recordPrevious(row.id, device, before)
        let desired = DesiredSlot(
            releases: row.releases, settings: row.settings,
            update: UpdatePolicy(soakSeconds: row.run.header.policy.soakSeconds), rollout: row.id)
        return try carryOut(
            DesiredMove(
                device: device, slot: row.slot, desired: desired, actor: row.createdBy, reason: "rollout \(row.id)"))
    }

    private mutating func restore(_ device: DeviceID, _ row: RolloutRow) throws -> RolloutEvent {
        let present = try SlotStore(sql).desired(device, row.slot)
        guard present?.rollout == row.id else {
            return .refused(device, code: RolloutCode.superseded, message: "another owner moved the slot since")
        }
        let reason = "rollout \(row.id) is rolled back"
        switch try RolloutStore(sql).previous(row.id, device) {
        case .unrecorded:
            return .refused(device, code: "nothingToRestore", message: "the rollout has not moved this device")
        case .empty:
            return try carryOut(
                DesiredMove(
                    device: device, slot: row.slot, desired: nil, isRestore: true, actor: row.createdBy, reason: reason)
            )
        case .slot(var previous):
            // Reports of the way back name this rollout.
            previous.rollout = row.id
            return try carryOut(
                DesiredMove(
                    device: device, slot: row.slot, desired: previous, isRestore: true, actor: row.createdBy,
                    reason: reason))
        }
    }

    private mutating func carryOut(_ move: DesiredMove) throws -> RolloutEvent {
        do {
            let made = try AssignmentStore(sql).setDesired([move], now: now)
            changes += made
            return .assigned(move.device, generation: made.first?.number ?? 0)
        } catch let error as StoreError where [.notFound, .conflict, .wrongKind].contains(error.kind) {
            return .refused(move.device, code: error.code, message: error.message)
        }
    }

    private func record(_ decision: RolloutDecision, _ row: RolloutRow) throws {
        try RolloutStore(sql).append(decision, to: row.id)
        try AuditLog(sql).append(
            actor: "registry", action: "rollout.\(decision.action.rawValue)", subject: row.id.text,
            detail: .object(["reason": .string(decision.reason)]), now: now)
    }
}

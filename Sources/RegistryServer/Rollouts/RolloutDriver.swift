import MartletTypes
import RegistryStore
import RolloutEngine
import Trust

/// Drives rollouts inside one transaction: the engine decides, its commands are carried out, all of it is saved
/// together. Whoever makes one calls `finish` at the end of the transaction.
struct RolloutDriver {
    let sql: any SQLConnection
    let now: Timestamp
    /// Moves that were made, so that whoever commits can wake the devices and tell the operator.
    private(set) var changes: [DesiredChange] = []
    /// Rollouts that were written.
    private(set) var touched: Set<RolloutID> = []

    private let kept: OpenRollouts?
    /// Marks what this transaction writes.
    private let stamp: Int64
    /// The rollouts at hand, and those of them that are to be saved.
    private var rows: [RolloutID: RolloutRow] = [:]
    private var unsaved: Set<RolloutID> = []
    /// Who is behind the event at hand; `registry` where a gate or the clock is.
    private var actor = Self.registry

    private static let registry = "registry"

    /// `kept` are the process's rollouts; without them each is read from the database.
    init(
        _ sql: any SQLConnection, now: Timestamp, kept: OpenRollouts? = nil,
        stamp: Int64 = .random(in: 1...Int64.max)
    ) {
        self.sql = sql
        self.now = now
        self.kept = kept
        self.stamp = stamp
    }

    /// A rollout with what this transaction has done to it; nil where there is none. A copy: not for changing it.
    mutating func rollout(_ id: RolloutID) throws -> RolloutRow? {
        try load(id)
        return rows[id]
    }

    /// Devices of a rollout that are to go back and were not told yet.
    mutating func toTakeBack(_ id: RolloutID) throws -> Int {
        try load(id)
        return rows[id]?.run.toTakeBack ?? 0
    }

    /// Whether time has something to do in a rollout at once.
    mutating func isDue(_ id: RolloutID) throws -> Bool {
        try load(id)
        return rows[id]?.run.nextTick.map { $0 <= now } ?? false
    }

    /// Whether a rollout's gates are to be measured at once.
    mutating func isMeasurementDue(_ id: RolloutID) throws -> Bool {
        try load(id)
        return rows[id]?.run.nextMeasurement.map { $0 <= now } ?? false
    }

    /// Whether an event has an effect on a rollout.
    mutating func permits(_ event: RolloutEvent, _ id: RolloutID) throws -> Bool {
        try load(id)
        return rows[id]?.run.permits(event) ?? false
    }

    /// Takes in a rollout that was created in this transaction.
    mutating func add(_ row: RolloutRow) { rows[row.id] = row }

    /// Tells a rollout something and carries out what it wants until it wants nothing more.
    mutating func tell(_ event: RolloutEvent, _ id: RolloutID) throws {
        try load(id)
        guard let before = rows[id]?.run.header else { return }
        actor = Self.actor(of: event)
        defer { actor = Self.registry }
        let device = Self.device(of: event)
        let stood = device.flatMap { rows[id]?.run.member($0)?.state }
        var isChanged = false
        var events = [event]
        var next = 0
        while next < events.count {
            let commands = rows[id]?.run.handle(events[next], now: now) ?? []
            next += 1
            isChanged = isChanged || !commands.isEmpty
            events += try carryOut(commands, id)
        }
        // Ticks mostly change nothing, and most rollouts do not know a device; then nothing is written and nobody is
        // woken.
        guard isChanged || rows[id]?.run.hasChanges == true || rows[id]?.run.header != before else { return }
        unsaved.insert(id)
        if case .reported = event, let device, let stands = rows[id]?.run.member(device)?.state, stands != stood,
            stands == .soaking || stands == .succeeded
        {
            try RolloutStore(sql).recordSwitch(id, device, at: now)
        }
    }

    /// Saves what changed. Nothing may be told afterwards.
    mutating func finish() throws {
        for id in unsaved {
            guard var row = rows.removeValue(forKey: id) else { continue }
            try RolloutStore(sql).save(&row, stamp: stamp, now: now)
            touched.insert(id)
            kept?.put(row)
        }
        for row in rows.values { kept?.put(row) }
        rows = [:]
        unsaved = []
    }

    /// Tells every open rollout that has slots of these that another owner moved them.
    private mutating func supersede(_ places: [SlotPlace], by owner: String) throws {
        var lost: [RolloutID: [DeviceID]] = [:]
        for place in places {
            for id in try RolloutStore(sql).open(slot: place.slot, device: place.device) {
                lost[id, default: []].append(place.device)
            }
        }
        for (id, devices) in lost.sorted(by: { $0.key < $1.key }) {
            try tell(.devicesSuperseded(devices, by: owner), id)
        }
    }

    /// Takes devices over from every other open rollout of a slot; one that loses all that it had ends.
    mutating func takeOver(_ devices: Set<DeviceID>, _ slot: SlotName, by id: RolloutID) throws {
        // What an older rollback has not come to is this rollout's now.
        let rollbacks = RollbackStore(sql)
        let waiting = try rollbacks.waiting(slot: slot).keys.filter(devices.contains)
        try rollbacks.remove(waiting.map { SlotPlace(device: $0, slot: slot) })
        for other in try RolloutStore(sql).openMembers(slot: slot, except: id) {
            let lost = other.devices.filter(devices.contains)
            guard !lost.isEmpty else { continue }
            if lost.count == other.devices.count {
                try tell(.superseded(by: id.text), other.rollout)
                continue
            }
            try tell(.devicesSuperseded(lost, by: id.text), other.rollout)
            // Those that it keeps may all be through already; then it has nothing left to wait for.
            let isIdle = rows[other.rollout]?.run.members.allSatisfy { $0.state.isFinal || $0.takenBy != nil } ?? false
            let abort = RolloutEvent.superseded(by: id.text)
            if isIdle, try permits(abort, other.rollout) { try tell(abort, other.rollout) }
        }
    }

    /// Moves slots by hand, and tells the rollouts that thereby lose them.
    mutating func move(_ moves: [DesiredMove], by owner: String) throws {
        changes += try AssignmentStore(sql).setDesired(moves, now: now)
        let places = moves.map { SlotPlace(device: $0.device, slot: $0.slot) }
        try RollbackStore(sql).remove(places)
        try supersede(places, by: owner)
    }

    /// Tells open rollouts that a person keeps a device, or a slot of it, out.
    mutating func held(_ device: DeviceID, _ slot: SlotName?, by actor: String) throws {
        let code = slot == nil ? RolloutCode.held : RolloutCode.pinned
        for id in try concerned(device, slot) { try tell(.deviceHeld(device, code: code, by: actor), id) }
    }

    /// Tells open rollouts that a device is let in again, unless something else still keeps it out.
    mutating func released(_ device: DeviceID, _ slot: SlotName?) throws {
        let left = try ExemptionStore(sql).list(device, now: now)
        for id in try concerned(device, slot) {
            guard let own = rows[id]?.slot, !left.contains(where: { $0.slot == nil || $0.slot == own }) else {
                continue
            }
            try tell(.deviceReleased(device), id)
        }
    }

    /// Open rollouts of a slot, or of any, that a device takes part in.
    private mutating func concerned(_ device: DeviceID, _ slot: SlotName?) throws -> [RolloutID] {
        let ids =
            try slot.map { try RolloutStore(sql).open(slot: $0, device: device) }
            ?? RolloutStore(sql).open(device: device)
        for id in ids { try load(id) }
        return ids
    }

    private mutating func load(_ id: RolloutID) throws {
        guard rows[id] == nil else { return }
        let store = RolloutStore(sql)
        guard let mark = try store.version(of: id) else { return }
        rows[id] = try kept?.take(id, mark) ?? store.find(id)
    }

    // MARK: - Commands

    /// Carries out what a rollout wants, moves in one go; returns what it is to be told about them.
    private mutating func carryOut(_ commands: [RolloutCommand], _ id: RolloutID) throws -> [RolloutEvent] {
        guard !commands.isEmpty, let row = rows[id] else { return [] }
        let context = MoveContext(
            id: row.id, slot: row.slot, releases: row.releases, settings: row.settings,
            policy: row.run.header.policy, reason: row.run.header.reason, createdBy: row.createdBy)
        var answers: [RolloutEvent] = []
        var moves: [DesiredMove] = []
        let restores = commands.contains { if case .restore = $0 { true } else { false } }
        let pinned = restores ? try ExemptionStore(sql).pins(slot: row.slot, now: now) : [:]
        let assigns = commands.contains { if case .assign = $0 { true } else { false } }
        let goingBack = assigns ? try RollbackStore(sql).waiting(slot: row.slot) : [:]
        for command in commands {
            switch command {
            case .assign(let device):
                if let rollback = goingBack[device] {
                    // It was to go back before its turn here came: whoever asked for that has decided.
                    answers.append(.devicesSuperseded([device], by: "rollback \(rollback)"))
                    continue
                }
                switch try assign(device, context) {
                case .move(let move): moves.append(move)
                case .refusal(let refusal): answers.append(refusal)
                }
            case .restore(let device):
                if let pin = pinned[device] {
                    answers.append(
                        .refused(device, code: RolloutCode.pinned, message: "pinned by \(pin.actor): \(pin.reason)"))
                    continue
                }
                switch try restore(device, context) {
                case .move(let move): moves.append(move)
                case .refusal(let refusal): answers.append(refusal)
                }
            case .record(let decision): try record(decision, id)
            }
        }
        guard !moves.isEmpty else { return answers }
        for (move, result) in zip(moves, try AssignmentStore(sql).setDesiredEach(moves, now: now)) {
            switch result {
            case .success(let change):
                changes.append(change)
                answers.append(.assigned(move.device, generation: change.number))
            case .failure(let error):
                answers.append(.refused(move.device, code: error.code, message: error.message))
            }
        }
        return answers
    }

    /// What of a rollout its moves need, without its devices.
    private struct MoveContext {
        let id: RolloutID
        let slot: SlotName
        let releases: [ReleasePath]
        let settings: SlotSettings
        let policy: RolloutPolicy
        let reason: String
        let createdBy: String
    }

    /// What becomes of a device's turn.
    private enum Turn {
        case move(DesiredMove)
        case refusal(RolloutEvent)
    }

    private func assign(_ device: DeviceID, _ context: MoveContext) throws -> Turn {
        let before = try SlotStore(sql).goingBack(device, context.slot)
        let blend = try SlotBlend(context.releases, context.settings, over: before, sql)
        guard !blend.isEmpty else {
            return .refusal(
                .refused(
                    device, code: "nothingToRun",
                    message: "slot \(context.slot) has no model that the engine could run"))
        }
        try RolloutStore(sql).recordPrevious(context.id, device, before)
        let conditions = context.policy.conditions
        let desired = DesiredSlot(
            releases: blend.releases, settings: blend.settings,
            update: UpdatePolicy(
                soakSeconds: context.policy.soakSeconds,
                conditions: conditions == UpdateConditions() ? nil : conditions, shadow: context.policy.shadow),
            rollout: context.id)
        return .move(
            DesiredMove(
                device: device, slot: context.slot, desired: desired, actor: context.createdBy,
                reason: "rollout \(context.id)"))
    }

    private func restore(_ device: DeviceID, _ context: MoveContext) throws -> Turn {
        let present = try SlotStore(sql).desired(device, context.slot)
        guard present?.rollout == context.id else {
            return .refusal(
                .refused(device, code: RolloutCode.superseded, message: "another owner moved the slot since"))
        }
        let desired: DesiredSlot?
        switch try RolloutStore(sql).previous(context.id, device) {
        case .unrecorded:
            return .refusal(
                .refused(device, code: "nothingToRestore", message: "the rollout has not moved this device"))
        case .empty: desired = nil
        case .slot(var previous):
            // Reports of the way back name this rollout.
            previous.rollout = context.id
            desired = previous
        }
        return .move(
            DesiredMove(
                device: device, slot: context.slot, desired: desired, isRestore: true, actor: actor,
                reason: "rollout \(context.id) is rolled back: \(context.reason)"))
    }

    private func record(_ decision: RolloutDecision, _ id: RolloutID) throws {
        try RolloutStore(sql).append(decision, to: id)
        var detail: [String: JSONValue] = ["reason": .string(decision.reason)]
        if let figures = decision.figures {
            // The log holds no fractions.
            detail["gate"] = .string(figures.gate.rawValue)
            detail["verdict"] = .string(figures.verdict.rawValue)
            if let value = figures.value { detail["value"] = .string("\(value)") }
            if let baseline = figures.baseline { detail["baseline"] = .string("\(baseline)") }
            detail["devices"] = .integer(Int64(figures.devices))
        }
        try AuditLog(sql).append(
            actor: Self.registry, action: "rollout.\(decision.action.rawValue)", subject: id.text,
            detail: .object(detail), now: now)
    }

    private static func actor(of event: RolloutEvent) -> String {
        switch event {
        case .start(let actor), .pause(let actor, _), .resume(let actor, _), .confirm(let actor, _),
            .retry(let actor, _, _), .abort(let actor, _), .rollback(let actor, _):
            actor
        default: registry
        }
    }

    private static func device(of event: RolloutEvent) -> DeviceID? {
        if case .reported(let report) = event { report.device } else { nil }
    }
}

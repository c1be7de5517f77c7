import MartletAPI
import MartletTypes
import RegistryStore
import RolloutEngine

extension RolloutService {
    /// Takes devices back to what each had, or to a named release, in one transaction.
    ///
    /// Throws 403 `outOfReach` and 404 where the caller's token is not for what is named; of what runs a release, only
    /// what is within reach is moved.
    func rollback(
        _ request: RollbackRequest, by actor: String, within reach: Reach
    ) async throws -> RollbackAnswer {
        let given = [request.device != nil, request.fleet != nil, request.release != nil, request.rollout != nil]
        guard given.filter(\.self).count == 1 else {
            throw ServerError.badRequest(
                "Exactly one of device, fleet, release and rollout is needed.", remedy: "Say which devices go back.")
        }
        for release in [request.release, request.to].compactMap(\.self) { try reach.require(release) }
        if let fleet = request.fleet { try reach.require(fleet: fleet) }
        let kept = kept
        let answer = try await drive { driver -> RollbackAnswer in
            let within = try RolloutReach(reach, driver.sql)
            if let device = request.device { _ = try DeviceReach(reach, driver.sql).device(device, driver.sql) }
            if let id = request.rollout { _ = try within.find(id, kept) }
            if let id = request.rollout, request.to == nil {
                try Self.steer(id, .rollback, RolloutChange(reason: request.reason), by: actor, &driver)
                try Self.note(request, by: actor, driver)
                return RollbackAnswer(moves: driver.changes.map(RollbackAnswer.Move.init))
            }
            if let to = request.to { try Self.checkTarget(to, driver.sql) }
            let (moves, skipped) = try Self.moves(request, by: actor, reach, within, driver)
            try driver.move(moves, by: actor)
            try Self.note(request, by: actor, driver)
            return RollbackAnswer(moves: driver.changes.map(RollbackAnswer.Move.init), skipped: skipped)
        }
        guard let id = request.rollout, request.to == nil else { return answer }
        return RollbackAnswer(moves: answer.moves + (try await goOn(id)).map(RollbackAnswer.Move.init))
    }

    /// What is to be moved where, and who cannot be, with why. Throws 409 `slotPinned` where one device is named whose
    /// slot is pinned, unless it is forced.
    private static func moves(
        _ request: RollbackRequest, by actor: String, _ reach: Reach, _ within: RolloutReach, _ driver: RolloutDriver
    ) throws -> (moves: [DesiredMove], skipped: [DeviceID: String]) {
        var moves: [DesiredMove] = []
        var skipped: [DeviceID: String] = [:]
        var pins: [SlotName: [DeviceID: ExemptionRow]] = [:]
        var verdicts = RestoreVerdicts(driver.sql)
        let isForced = request.force == true && request.device != nil
        for (device, slot) in try places(request, driver.sql) {
            let running = try SlotStore(driver.sql).desired(device, slot)?.releases ?? []
            guard try within.contains(device, running: running) else {
                // By a release it may be found on devices of others; else it was named.
                if request.release == nil { skipped[device] = "slot \(slot) is not within reach of this token" }
                continue
            }
            let pinned = try pins[slot] ?? ExemptionStore(driver.sql).pins(slot: slot, now: driver.now)
            pins[slot] = pinned
            if let pin = pinned[device], !isForced {
                guard request.device == nil else { throw slotPinned(pin) }
                skipped[device] = pin.sentence
                continue
            }
            switch try way(device, slot, request.to, driver.sql, &verdicts) {
            case .to(let desired) where !reach.contains(desired.releases):
                skipped[device] = "what slot \(slot) had before is not within reach of this token"
            case .to(var desired):
                desired.rollout = nil
                moves.append(
                    DesiredMove(
                        device: device, slot: slot, desired: desired, isRestore: true, actor: actor,
                        reason: request.reason.isEmpty ? "rollback" : "rollback: \(request.reason)"))
            case .none(let reason): skipped[device] = reason
            }
        }
        return (moves, skipped)
    }

    private static func slotPinned(_ pin: ExemptionRow) -> ServerError {
        .conflict(
            "slotPinned", "On device \(pin.device) \(pin.sentence).",
            remedy: "Unpin it, or repeat with force: `martlet rollback DEVICE --force`.", field: "/device")
    }

    /// What moved nobody changed nothing, and is no row of the audit log.
    private static func note(_ request: RollbackRequest, by actor: String, _ driver: RolloutDriver) throws {
        guard !driver.changes.isEmpty else { return }
        try AuditLog(driver.sql).append(
            actor: actor, action: "rollback", subject: subject(request),
            detail: .object([
                "reason": .string(request.reason), "to": .string(request.to?.text ?? "previous"),
                "slot": .string(request.slot?.text ?? ""),
            ]), now: driver.now)
    }

    private static func subject(_ request: RollbackRequest) -> String {
        request.device?.text ?? request.fleet?.text ?? request.release?.text ?? request.rollout?.text ?? ""
    }

    private static func checkTarget(_ to: ReleasePath, _ sql: any SQLConnection) throws {
        let row = try OperatorService.release(to, sql)
        guard row.state != .yanked else {
            throw ServerError.conflict(
                "releaseNotPublished", "\(to.reference) was withdrawn by its publisher; no device installs it.",
                remedy: "Choose another release.", field: "/to")
        }
        if let floor = row.floor, row.isBelowFloor { throw belowFloor(to, floor, field: "/to") }
    }

    /// A release that no device installs, whoever assigns it.
    static func belowFloor(_ path: ReleasePath, _ floor: SemanticVersion, field: String) -> ServerError {
        .conflict(
            "belowFloor",
            "\(path.reference) is below \(floor), the floor that its publisher set; no device installs it.",
            remedy: "Choose a release from \(floor) on.", field: field)
    }

    /// The slots that a request means.
    private static func places(
        _ request: RollbackRequest, _ sql: any SQLConnection
    ) throws -> [(device: DeviceID, slot: SlotName)] {
        if let device = request.device {
            _ = try OperatorService.device(device, sql)
            return [(device, try request.slot ?? onlySlot([device], sql))]
        }
        if let fleet = request.fleet {
            let members = try DeviceStore(sql).members(of: try OperatorService.fleet(fleet, sql).selector).map(\.device)
            let slot = try request.slot ?? onlySlot(members, sql)
            return members.map { ($0, slot) }
        }
        if let id = request.rollout {
            let row = try find(id, sql)
            return row.run.members.filter { $0.generation != nil }.map { ($0.device, row.slot) }
        }
        guard let release = request.release else { return [] }
        _ = try OperatorService.release(release, sql)
        var seen: Set<String> = []
        let users =
            try ReleaseStore(sql).users(of: release, phase: .desired)
            + ReleaseStore(sql).users(of: release, phase: .current)
        return users.filter { user in
            (request.slot == nil || user.slot == request.slot) && seen.insert("\(user.device)/\(user.slot)").inserted
        }
    }

    /// The one slot that devices have, where nobody says which.
    private static func onlySlot(_ devices: [DeviceID], _ sql: any SQLConnection) throws -> SlotName {
        var names: Set<SlotName> = []
        for device in devices {
            for (name, slot) in try SlotStore(sql).slots(of: device) where slot.desired != nil { names.insert(name) }
        }
        guard names.count == 1, let name = names.first else {
            throw ServerError.badRequest(
                names.isEmpty
                    ? "No slot is assigned there."
                    : "There are several slots: \(names.sorted().map(\.text).joined(separator: ", ")).",
                remedy: "Say which slot goes back.", field: "/slot")
        }
        return name
    }

    enum Way {
        case to(DesiredSlot)
        case none(String)
    }

    /// What one device goes back to.
    ///
    /// Where it does not yet run what is desired (the installation failed or is under way), going back is what it runs;
    /// else it is its previous generation, which is on its disk. Without an inventory the history of assignments says
    /// it.
    static func way(
        _ device: DeviceID, _ slot: SlotName, _ to: ReleasePath?, _ sql: any SQLConnection,
        _ verdicts: inout RestoreVerdicts
    ) throws -> Way {
        guard let row = try SlotStore(sql).slots(of: device)[slot], var desired = row.desired else {
            return .none("nothing is assigned to slot \(slot)")
        }
        let target: [ReleasePath]
        if let to {
            target = [to]
        } else if let reported = row.reported, !reported.current.isEmpty {
            target = reported.current != desired.releases ? reported.current : reported.previous
        } else {
            target =
                try AssignmentStore(sql).history(of: device)
                .first { $0.slot == slot && !$0.releases.isEmpty && $0.releases != desired.releases }?.releases ?? []
        }
        guard !target.isEmpty else { return .none("slot \(slot) has nothing to go back to") }
        guard target != desired.releases else { return .none("slot \(slot) is to run that already") }
        desired.releases = target
        if let refusal = try verdicts.refusal(of: desired) { return .none(refusal.message) }
        return .to(desired)
    }
}

/// Whether slots can be taken back to releases; each is looked at once, however many devices go there.
struct RestoreVerdicts {
    private let sql: any SQLConnection
    private var known: [[ReleasePath]: StoreError?] = [:]

    init(_ sql: any SQLConnection) { self.sql = sql }

    /// Why not; nil where they can.
    mutating func refusal(of desired: DesiredSlot) throws -> StoreError? {
        if let verdict = known[desired.releases] { return verdict }
        let verdict = try AssignmentStore(sql).refusal(of: desired, isRestore: true)
        known[desired.releases] = .some(verdict)
        return verdict
    }
}

extension RollbackAnswer.Move {
    init(_ change: DesiredChange) {
        self.init(
            device: change.device, slot: change.slot, from: change.from?.releases ?? [], to: change.to?.releases ?? [],
            assignment: change.number)
    }
}

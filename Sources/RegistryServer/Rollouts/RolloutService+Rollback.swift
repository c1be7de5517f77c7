import MartletAPI
import MartletTypes
import RegistryStore
import RolloutEngine

extension RolloutService {
    /// Takes devices back to what each had, or to a named release: the first in the transaction that keeps the request,
    /// the others in further steps of the leader, which go on after a restart.
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
        let name = try OperatorService.newID("b")
        return try await drive { driver in
            let within = try RolloutReach(reach, driver.sql)
            if let device = request.device { _ = try DeviceReach(reach, driver.sql).device(device, driver.sql) }
            if let id = request.rollout { _ = try within.find(id, kept) }
            if let id = request.rollout, request.to == nil {
                try Self.steer(id, .rollback, RolloutChange(reason: request.reason), by: actor, &driver)
                let following = try driver.toTakeBack(id)
                try Self.note(request, by: actor, following: following, driver)
                return RollbackAnswer(moves: driver.changes.map(RollbackAnswer.Move.init), following: following)
            }
            if let to = request.to { try Self.checkTarget(to, driver.sql) }
            let places = try Self.places(request, driver.sql)
            guard places.count > RolloutLimits.commandsPerStep else {
                let step = try Self.moves(places, request, by: actor, reach, within, driver)
                try driver.move(step.moves, by: actor)
                try Self.note(request, by: actor, following: 0, driver)
                return RollbackAnswer(
                    moves: driver.changes.map(RollbackAnswer.Move.init), skipped: step.skippedDevices)
            }
            let row = RollbackRow(
                id: name, request: try Self.text(request), reach: try Self.text(reach), actor: actor,
                created: driver.now, places: places.count)
            try RollbackStore(driver.sql).create(row, places)
            let step = try Self.takeBack(row, &driver)
            try Self.note(request, by: actor, following: step.following, driver)
            return RollbackAnswer(
                moves: driver.changes.map(RollbackAnswer.Move.init), skipped: step.skipped, following: step.following,
                rollback: name)
        }
    }

    /// What is to be moved where, and who cannot be, with why.
    struct RollbackStep {
        var moves: [DesiredMove] = []
        var skipped: [SlotPlace: String] = [:]
        /// Of others' devices, of which nothing is told.
        var unseen: [SlotPlace] = []

        var skippedDevices: [DeviceID: String] {
            Dictionary(skipped.map { ($0.key.device, $0.value) }) { first, _ in first }
        }
    }

    /// Looks at slots that a request means. Throws 409 `slotPinned` where one device is named whose slot is pinned,
    /// unless it is forced.
    static func moves(
        _ places: [SlotPlace], _ request: RollbackRequest, by actor: String, _ reach: Reach, _ within: RolloutReach,
        _ driver: RolloutDriver
    ) throws -> RollbackStep {
        var step = RollbackStep()
        var pins: [SlotName: [DeviceID: ExemptionRow]] = [:]
        var verdicts = RestoreVerdicts(driver.sql)
        let isForced = request.force == true && request.device != nil
        for place in places {
            let (device, slot) = (place.device, place.slot)
            let running = try SlotStore(driver.sql).desired(device, slot)?.releases ?? []
            guard try within.contains(device, running: running) else {
                // By a release it may be found on devices of others; else it was named.
                if request.release == nil {
                    step.skipped[place] = "slot \(slot) is not within reach of this token"
                } else {
                    step.unseen.append(place)
                }
                continue
            }
            let pinned = try pins[slot] ?? ExemptionStore(driver.sql).pins(slot: slot, now: driver.now)
            pins[slot] = pinned
            if let pin = pinned[device], !isForced {
                guard request.device == nil else { throw slotPinned(pin) }
                step.skipped[place] = pin.sentence
                continue
            }
            switch try way(device, slot, request.to, driver.sql, &verdicts) {
            case .to(let desired) where !reach.contains(desired.releases):
                step.skipped[place] = "what slot \(slot) had before is not within reach of this token"
            case .to(var desired):
                desired.rollout = nil
                step.moves.append(
                    DesiredMove(
                        device: device, slot: slot, desired: desired, isRestore: true, actor: actor,
                        reason: request.reason.isEmpty ? "rollback" : "rollback: \(request.reason)"))
            case .none(let reason): step.skipped[place] = reason
            }
        }
        return step
    }

    private static func slotPinned(_ pin: ExemptionRow) -> ServerError {
        .conflict(
            "slotPinned", "On device \(pin.device) \(pin.sentence).",
            remedy: "Unpin it, or repeat with force: `martlet rollback DEVICE --force`.", field: "/device")
    }

    /// What moves nobody changes nothing, and is no row of the audit log.
    private static func note(
        _ request: RollbackRequest, by actor: String, following: Int, _ driver: RolloutDriver
    ) throws {
        guard !driver.changes.isEmpty || following > 0 else { return }
        try AuditLog(driver.sql).append(
            actor: actor, action: "rollback", subject: subject(request),
            detail: .object([
                "reason": .string(request.reason), "to": .string(request.to?.text ?? "previous"),
                "slot": .string(request.slot?.text ?? ""),
            ]), now: driver.now)
    }

    static func subject(_ request: RollbackRequest) -> String {
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
    private static func places(_ request: RollbackRequest, _ sql: any SQLConnection) throws -> [SlotPlace] {
        if let device = request.device {
            _ = try OperatorService.device(device, sql)
            return [SlotPlace(device: device, slot: try request.slot ?? onlySlot([device], sql))]
        }
        if let fleet = request.fleet {
            let members = try DeviceStore(sql).members(of: try OperatorService.fleet(fleet, sql).selector).map(\.device)
            let slot = try request.slot ?? onlySlot(Set(members), sql)
            return members.map { SlotPlace(device: $0, slot: slot) }
        }
        if let id = request.rollout {
            let row = try find(id, sql)
            return row.run.members.filter { $0.generation != nil }.map { SlotPlace(device: $0.device, slot: row.slot) }
        }
        guard let release = request.release else { return [] }
        _ = try OperatorService.release(release, sql)
        var seen: Set<SlotPlace> = []
        let users =
            try ReleaseStore(sql).users(of: release, phase: .desired)
            + ReleaseStore(sql).users(of: release, phase: .current)
        return users.map { SlotPlace(device: $0.device, slot: $0.slot) }
            .filter { (request.slot == nil || $0.slot == request.slot) && seen.insert($0).inserted }
    }

    /// The one slot that devices have, where nobody says which.
    private static func onlySlot(_ devices: Set<DeviceID>, _ sql: any SQLConnection) throws -> SlotName {
        let names = try SlotStore(sql).assigned(devices)
        guard names.count == 1, let name = names.first else {
            throw ServerError.badRequest(
                names.isEmpty
                    ? "No slot is assigned there."
                    : "There are several slots: \(names.sorted().map(\.text).joined(separator: ", ")).",
                remedy: "Say which slot goes back.", field: "/slot")
        }
        return name
    }
}

extension RollbackAnswer.Move {
    init(_ change: DesiredChange) {
        self.init(
            device: change.device, slot: change.slot, from: change.from?.releases ?? [], to: change.to?.releases ?? [],
            assignment: change.number)
    }
}

import MartletTypes
import RegistryStore
import RolloutEngine

/// Lets time pass in open rollouts, measures for their gates and takes late joiners in: one replica at a time, under a
/// fenced lease that is checked in each transaction that writes.
///
/// A leader that dies between any two of its steps leaves nothing half done: each step is one transaction, and the next
/// leader finds out anew what is due.
actor RolloutLeader {
    /// The right to tick, which one replica holds at a time.
    static let lease = "rollouts"
    private static let leaseLife = Duration.seconds(10)
    /// How long steps go on under a lease that was taken once.
    private static let stretch = Duration.seconds(2)
    /// How often a rollout in which nothing happens is ticked all the same: its clock is kept so.
    private static let quiet = Duration.seconds(60)

    private let rollouts: RolloutService
    private let owner: String
    /// Up to where changes of what selects devices were looked at.
    private var membership: Int64 = 0
    /// What the last round did not get done.
    private var rest: Rest?

    private struct Rest {
        let lease: Lease
        let taken: Timestamp
        var rollouts: [RolloutID]
        var isRollback: Bool
    }

    init(rollouts: RolloutService, owner: String) {
        self.rollouts = rollouts
        self.owner = owner
    }

    /// One round: one step of each rollout in which something is due, and of the oldest rollback. Does nothing while
    /// another replica leads. Returns whether there is more to do at once.
    @discardableResult
    func tick() async throws -> Bool {
        rest = nil
        let core = rollouts.core
        let owner = owner
        let now = core.clock()
        let lease = try await core.database.write { sql in
            try LeaseStore(sql).acquire(Self.lease, owner: owner, for: Self.leaseLife, now: now)
        }
        guard let lease else {
            // Whatever happens until it leads again is to be looked at then.
            membership = 0
            return false
        }
        return try await whileLeading {
            try await self.release(expired: lease)
            try await self.takeIn(lease)
            let due = try await core.database.read { try RolloutStore($0).due(core.clock(), quiet: Self.quiet) }
            return try await self.round(Rest(lease: lease, taken: now, rollouts: due, isRollback: true))
        }
    }

    /// Another round of what the last one did not get done: each of its steps waits its turn among what devices report
    /// only once, since it asks for nothing else. Call it while the last round returned true.
    func goOn() async throws -> Bool {
        guard let rest, rollouts.core.clock() - rest.taken < Self.stretch else { return try await tick() }
        return try await whileLeading { try await self.round(rest) }
    }

    private func whileLeading(_ body: () async throws -> Bool) async throws -> Bool {
        do {
            return try await body()
        } catch let error as StoreError where error.kind == .leaseLost || error.kind == .versionConflict {
            rest = nil
            return false
        }
    }

    private func round(_ given: Rest) async throws -> Bool {
        var left = given
        left.rollouts = []
        if given.isRollback {
            left.isRollback = try await rollouts.takeBackNext { try LeaseStore($0).check(given.lease) }
        }
        for id in given.rollouts where try await step(id, given.lease) { left.rollouts.append(id) }
        rest = left
        return left.isRollback || !left.rollouts.isEmpty
    }

    /// Gives the lease back, so that another replica goes on at once.
    func release() async throws {
        let core = rollouts.core
        let owner = owner
        try await core.database.write { sql in
            guard
                let lease = try LeaseStore(sql).acquire(Self.lease, owner: owner, for: .seconds(1), now: core.clock())
            else { return }
            try LeaseStore(sql).release(lease)
        }
    }

    /// Lets time pass in a rollout, and measures what its gates ask for outside the transactions that write. Returns
    /// whether a step was too large for one transaction.
    private func step(_ id: RolloutID, _ lease: Lease) async throws -> Bool {
        let core = rollouts.core
        let kept = rollouts.kept
        // What writes has the rollout at hand; who only reads may have to read all its devices.
        let (isMore, isMeasured) = try await rollouts.drive { driver in
            try LeaseStore(driver.sql).check(lease)
            try driver.tell(.tick, id)
            return (try Self.isMore(id, &driver), try driver.isMeasurementDue(id))
        }
        guard isMeasured else { return isMore }
        let observations = try await core.database.read { sql -> [DeviceObservation]? in
            try kept.read(id, sql).map { try RolloutEvidence.observations($0, sql, now: core.clock()) }
        }
        guard let observations else { return isMore }
        return try await rollouts.drive { driver in
            try LeaseStore(driver.sql).check(lease)
            try driver.tell(.observed(observations), id)
            return try isMore || Self.isMore(id, &driver)
        }
    }

    private static func isMore(_ id: RolloutID, _ driver: inout RolloutDriver) throws -> Bool {
        try !driver.changes.isEmpty && driver.isDue(id)
    }

    /// Takes devices that came to match into open rollouts whose membership is dynamic; the engine knows those that
    /// take part already.
    private func takeIn(_ lease: Lease) async throws {
        let mark = membership
        let core = rollouts.core
        let seen = try await core.database.read { try DeviceStore($0).members(changedSince: mark).mark }
        guard seen > mark else { return }
        membership = try await rollouts.drive { driver in
            try LeaseStore(driver.sql).check(lease)
            let (devices, mark) = try DeviceStore(driver.sql).members(changedSince: mark)
            let open = try RolloutStore(driver.sql).open()
            for (place, id) in open.enumerated() {
                guard let row = try driver.rollout(id), row.run.header.policy.membership == .dynamic,
                    [.running, .paused].contains(row.run.header.state)
                else { continue }
                // What a newer rollout moves stays with it.
                let newer = Set(open[(place + 1)...])
                let fresh = try devices.filter { device in
                    guard row.selector.matches(device.labels), row.run.member(device.device) == nil else {
                        return false
                    }
                    let others = try RolloutStore(driver.sql).open(slot: row.slot, device: device.device)
                    return newer.isDisjoint(with: others)
                }
                guard !fresh.isEmpty else { continue }
                let candidates = try RolloutService.candidates(fresh, row.slot, driver.sql, now: driver.now)
                let joined = Set(candidates.filter { $0.exclusion == nil }.map(\.device))
                try driver.takeOver(joined, row.slot, by: id)
                try driver.tell(.joined(candidates), id)
            }
            return mark
        }
    }

    /// Ends pins and holds whose time is over.
    private func release(expired lease: Lease) async throws {
        let core = rollouts.core
        let isAny = try await core.database.read { try ExemptionStore($0).isAnyExpired(now: core.clock()) }
        guard isAny else { return }
        try await rollouts.drive { driver in
            try LeaseStore(driver.sql).check(lease)
            for row in try ExemptionStore(driver.sql).takeExpired(now: driver.now) {
                try AuditLog(driver.sql).append(
                    actor: "registry", action: row.slot == nil ? "device.letIn" : "device.unpin",
                    subject: row.device.text,
                    detail: .object(["slot": .string(row.slot?.text ?? ""), "reason": .string("expired")]),
                    now: driver.now)
                try driver.released(row.device, row.slot)
            }
        }
    }
}

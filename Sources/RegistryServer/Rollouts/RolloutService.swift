import Logging
import MartletAPI
import MartletTypes
import RegistryStore
import RolloutEngine
import ServiceLifecycle
import Trust

/// Starts, steers and ticks rollouts. Reports of devices reach them in the transaction that keeps the report.
struct RolloutService: Sendable {
    let core: RegistryCore

    /// The right to tick, which one replica holds at a time.
    static let lease = "rollouts"
    private static let leaseLife = Duration.seconds(10)

    /// Runs `body` in one transaction and wakes whom its moves concern once it is durable.
    func drive<Value: Sendable>(
        _ body: @escaping @Sendable (inout RolloutDriver) throws -> Value
    ) async throws -> Value {
        let core = core
        let (value, devices, rollouts) = try await core.database.write { sql in
            var driver = RolloutDriver(sql, now: core.clock())
            let value = try body(&driver)
            return (value, Set(driver.changes.map(\.device.text)), driver.touched.map(\.text))
        }
        core.changes.announce(.assignment, devices)
        core.changes.announce(.rollout, rollouts)
        return value
    }

    /// Lets time pass in every open rollout, under the fenced lease.
    func tick(owner: String) async throws {
        let core = core
        let lease = try await core.database.write { sql in
            try LeaseStore(sql).acquire(Self.lease, owner: owner, for: Self.leaseLife, now: core.clock())
        }
        guard let lease else { return }
        for id in try await core.database.read({ try RolloutStore($0).open() }) {
            do {
                try await drive { driver in
                    try LeaseStore(driver.sql).check(lease)
                    try driver.tell(.tick, id)
                }
            } catch let error as StoreError where error.kind == .leaseLost || error.kind == .versionConflict {
                return
            }
        }
    }

    /// Gives the lease back, so that another replica goes on at once.
    func release(owner: String) async throws {
        let core = core
        try await core.database.write { sql in
            guard
                let lease = try LeaseStore(sql).acquire(Self.lease, owner: owner, for: .seconds(1), now: core.clock())
            else { return }
            try LeaseStore(sql).release(lease)
        }
    }
}

/// Ticks rollouts once a second; what devices report does not wait for it.
struct RolloutTicker: Service {
    let rollouts: RolloutService
    /// Who holds the lease: one name for each process.
    let owner: String

    func run() async throws {
        let rollouts = rollouts
        let owner = owner
        try await Heartbeat.each(.seconds(1)) {
            do {
                try await rollouts.tick(owner: owner)
            } catch {
                rollouts.core.logger.error("rollouts could not be ticked", metadata: ["error": "\(error)"])
            }
        }
        try await rollouts.release(owner: owner)
    }
}

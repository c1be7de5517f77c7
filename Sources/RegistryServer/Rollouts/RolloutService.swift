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
    /// Open rollouts as this process saw them last.
    let kept = OpenRollouts()

    init(core: RegistryCore) { self.core = core }

    /// Runs `body` in one transaction and wakes whom its moves concern once it is durable.
    func drive<Value: Sendable>(
        _ body: @escaping @Sendable (inout RolloutDriver) throws -> Value
    ) async throws -> Value {
        let core = core
        let kept = kept
        let (value, devices, rollouts) = try await core.database.write { sql in
            var driver = RolloutDriver(sql, now: core.clock(), kept: kept)
            let value = try body(&driver)
            try driver.finish()
            return (value, Set(driver.changes.map(\.device.text)), driver.touched.map(\.text))
        }
        core.changes.announce(.assignment, devices)
        core.changes.announce(.rollout, rollouts)
        return value
    }
}

/// Ticks rollouts once a second, and at once again while steps are left that are too many for one transaction; what
/// devices report does not wait for it.
struct RolloutTicker: Service {
    let rollouts: RolloutService
    /// Who holds the lease: one name for each process.
    let owner: String

    func run() async throws {
        let leader = RolloutLeader(rollouts: rollouts, owner: owner)
        let logger = rollouts.core.logger
        try await Heartbeat.each(.seconds(1)) {
            do {
                var isMore = try await leader.tick()
                while isMore, !Task.isCancelled { isMore = try await leader.goOn() }
            } catch {
                logger.error("rollouts could not be ticked", metadata: ["error": "\(error)"])
            }
        }
        try await leader.release()
    }
}

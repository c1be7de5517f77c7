package import AgentStore
internal import Logging
package import MartletTypes
internal import ServiceLifecycle
package import Trust

/// A slot as inventory and status show it.
package struct SlotSnapshot: Sendable {
    package let record: SlotRecord
    /// What answers requests, at once or as soon as one has started it; nil where nothing does.
    package let serving: GenerationID?
    /// What its engines do now.
    package var activity = SlotActivity()
}

/// All slots of the device: one driver for each, fed by accepted assignments.
package actor DeviceAgent: Service {
    private let tools: SlotTools
    private var drivers: [SlotName: SlotDriver] = [:]
    private let starting: AsyncStream<SlotDriver>
    private let startInbox: AsyncStream<SlotDriver>.Continuation
    private let garbage = WakeSignal()
    private let garbagePause: Duration
    private let logger: Logger
    private var isOpen = true
    /// Blobs of a bundle that no slot names yet.
    private var held: [SlotName: Set<Digest>] = [:]

    /// `garbagePause` passes before it is looked again whether a slot still makes a plan.
    package init(tools: SlotTools, garbagePause: Duration = AgentLimits.garbagePause) {
        self.tools = tools
        self.garbagePause = garbagePause
        logger = tools.logger
        (starting, startInbox) = AsyncStream.makeStream(of: SlotDriver.self)
    }

    /// Serves what the journal says, at once, then drives the slots until the agent stops.
    package func run() async throws {
        for record in try await tools.store.journal.slots() { add(record)?.send(.started) }
        await withGracefulShutdownHandler {
            await withDiscardingTaskGroup { group in
                group.addTask { await self.collectGarbage() }
                for await driver in starting { group.addTask { await driver.run() } }
                stop()
            }
        } onGracefulShutdown: {
            self.startInbox.finish()
        }
    }

    /// Brings all slots to what an accepted assignment says.
    package func apply(_ assignment: Assignment) {
        guard isOpen else { return }
        for (slot, wanted) in assignment.slots {
            let target = SlotTarget(assignment: wanted, number: assignment.number, expires: assignment.expires)
            (drivers[slot] ?? add(SlotRecord(slot: slot)))?.send(.assigned(target))
        }
        for (slot, driver) in drivers where assignment.slots[slot] == nil { driver.send(.unassigned) }
    }

    /// Returns when the agent has a turn; does not where it is stuck.
    func pulse() {}

    /// Lets all slots know that assignments are counted anew.
    package func renumber() {
        for driver in drivers.values { driver.send(.renumbered) }
    }

    /// Lets all slots know what publishers took back.
    package func tookBack(_ refusals: [TakenBack.Refusal]) {
        for driver in drivers.values { driver.send(.tookBack(refusals)) }
    }

    /// Keeps blobs from the collector until the slot that they are brought for names all of them, or the agent ends.
    /// Takes the place of what was held for the slot before.
    func hold(_ blobs: Set<Digest>, for slot: SlotName) { held[slot] = blobs }

    /// Moves a slot to what the owner of this box brought, against whatever was assigned before.
    func install(_ target: SlotTarget, in slot: SlotName) {
        guard isOpen else { return }
        (drivers[slot] ?? add(SlotRecord(slot: slot)))?.send(.installed(target))
    }

    /// Sends a slot back to what served before. Throws `unknownSlot` and `localRollbackRefused`.
    package func sendBack(_ slot: SlotName, by who: String) async throws -> LocalRollback {
        guard let driver = drivers[slot] else {
            throw AgentError(
                .unknownSlot, "This device has no slot \(slot).", remedy: "`martlet-agent status` lists them.")
        }
        let record = await driver.record
        guard let back = SlotMachine.wayBack(of: record) else {
            throw AgentError(
                .localRollbackRefused, "Slot \(slot) has nothing to go back to.",
                remedy: "Assign another release, or bring one with `martlet-agent install`.")
        }
        if let refusal = tools.store.takenBack.current.refusal(of: back.releases), refusal.isFinal {
            throw AgentError(
                .localRollbackRefused, "Slot \(slot) would go back to what must not run: \(refusal.message)",
                remedy: "Assign another release.")
        }
        logger.notice("slot sent back on this device", metadata: ["slot": "\(slot)", "by": "\(who)"])
        driver.send(.sentBack(by: who))
        let from = record.phase.isUnderWay ? record.target?.paths : record.current?.paths
        return LocalRollback(slot: slot, to: back.paths, from: from ?? [])
    }

    var allDrivers: [SlotDriver] { Array(drivers.values) }

    /// All slots, by name.
    package func snapshots() async -> [SlotSnapshot] {
        var snapshots: [SlotSnapshot] = []
        for driver in drivers.values.sorted(by: { $0.slot < $1.slot }) {
            snapshots.append(
                SlotSnapshot(
                    record: await driver.record, serving: await driver.runtime.serving(),
                    activity: await driver.runtime.activity()))
        }
        return snapshots
    }

    private func add(_ record: SlotRecord) -> SlotDriver? {
        guard isOpen else { return nil }
        let slot = record.slot
        let driver = SlotDriver(record: record, tools: tools) { notice in
            switch notice {
            case .garbage: self.garbage.ring()
            case .emptied: await self.forget(slot)
            }
        }
        drivers[slot] = driver
        startInbox.yield(driver)
        return driver
    }

    private func stop() {
        isOpen = false
        for driver in drivers.values { driver.stop() }
        garbage.ring()
    }

    private func forget(_ slot: SlotName) async {
        guard let driver = drivers[slot], await driver.record.target == nil else { return }
        drivers[slot] = nil
        driver.stop()
        tools.changed()
    }

    /// Removes what no generation needs, whenever something became unneeded and no slot is making a plan.
    private func collectGarbage() async {
        while isOpen, !Task.isCancelled {
            await garbage.wait()
            guard isOpen, !Task.isCancelled else { continue }
            guard await isCollectable() else {
                // What rang is not forgotten: the plan may be one that waits for the very room.
                await garbage.wait(for: garbagePause)
                garbage.ring()
                continue
            }
            do {
                let journal = tools.store.journal
                for record in try await journal.slots() where held[record.slot]?.isSubset(of: record.blobs) ?? false {
                    held[record.slot] = nil
                }
                let held = held.values.reduce(into: Set<Digest>()) { $0.formUnion($1) }
                let needed: @Sendable () async throws -> Set<Digest> = {
                    try await journal.slots().reduce(into: held) { $0.formUnion($1.blobs) }
                }
                await carryOut("blobs") { try await collectBlobs(keeping: needed) }
                await carryOut("engines") { try await tools.engines.trees?.collect(keeping: try await needed()) }
            } catch {
                logger.warning("nothing collected", metadata: ["error": "\(ErrorSummary(error).message)"])
            }
        }
    }

    private func collectBlobs(keeping needed: @escaping @Sendable () async throws -> Set<Digest>) async throws {
        let collected = try await tools.store.blobs.collect(keeping: needed)
        guard collected.blobs > 0 else { return }
        logger.info(
            "blobs collected", metadata: ["blobs": "\(collected.blobs)", "bytes": "\(collected.bytes.bytes)"])
    }

    /// One part of a collection: what keeps it from its end keeps no other part.
    private func carryOut(_ what: String, _ part: () async throws -> Void) async {
        do {
            try await part()
        } catch {
            logger.warning("not all \(what) collected", metadata: ["error": "\(ErrorSummary(error).message)"])
        }
    }

    /// A plan's blobs are named in the journal only once it stands.
    private func isCollectable() async -> Bool {
        for driver in drivers.values where await driver.record.phase == .planning { return false }
        return true
    }
}

extension AgentLimits {
    /// How long a collection waits for a slot that makes a plan, before it looks again.
    package static let garbagePause = Duration.seconds(10)
}

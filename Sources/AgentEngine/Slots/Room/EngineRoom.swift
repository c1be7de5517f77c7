package import MartletTypes

/// Whoever runs engines that may have to make room for others.
package protocol RoomTenant: Actor {
    /// Ends an engine to make room for another slot, so that a request starts it again; answers that are open are
    /// waited for, and none is cut. False where it goes on running.
    func makeRoom(_ key: RoomClaim.Key, for slot: SlotName, within time: Duration) async -> Bool
}

/// The memory of the device as its slots share it: `RoomLedger` decides, this ends whom it names.
package actor EngineRoom {
    private var ledger: RoomLedger
    private var tenants: [SlotName: any RoomTenant] = [:]
    private let usage: @Sendable (SlotName) -> RoomLedger.Usage
    /// How long the answers of a busy engine may go on while another waits for its room.
    private let patience: Duration

    /// `budget` is what all engines together may take, nil where that is not known; `usage` tells how slots are used.
    package init(
        budget: ByteCount? = nil, minResidence: Duration = .seconds(10), patience: Duration = .seconds(20),
        usage: @escaping @Sendable (SlotName) -> RoomLedger.Usage = { _ in RoomLedger.Usage(idle: .zero) }
    ) {
        ledger = RoomLedger(budget: budget, minResidence: minResidence)
        self.patience = patience
        self.usage = usage
    }

    /// What models may take, and what those that run take by the estimate.
    package var account: (budget: ByteCount?, taken: ByteCount) { (ledger.budget, ledger.taken) }

    /// Whether any engine runs, or is being started.
    package var isInUse: Bool { !ledger.residents.isEmpty }

    /// What an engine that runs takes by the estimate, mapped files in full; nil where none has room.
    package func need(of key: RoomClaim.Key) -> EngineNeed? { ledger.residents[key]?.claim.need }

    /// What engines of other slots, which do not always run, hold of memory for themselves.
    package func reclaimable(besides slot: SlotName) -> ByteCount {
        ledger.residents.values.filter { $0.claim.key.slot != slot && !$0.claim.standing.isPinned }
            .reduce(.zero) { $0 + $1.claim.need.own }
    }

    /// Whether there is room without any engine's end.
    package func fits(_ need: EngineNeed) -> Bool { ledger.fits(need) }

    /// Takes room for an engine, waiting up to `time` and ending others where the ledger says so. Whoever gets it calls
    /// `leave` in the end. `refused` hears why it waits. Throws `RoomRefusal` or `CancellationError`.
    package func take(
        _ claim: RoomClaim, for tenant: any RoomTenant, within time: Duration,
        refused: @Sendable (RoomRefusal) -> Void = { _ in }
    ) async throws {
        tenants[claim.key.slot] = tenant
        let end = ContinuousClock.now + time
        defer { ledger.giveUp(claim.key) }
        while true {
            try Task.checkCancellation()
            switch ledger.claim(claim, now: .now, usage: usage) {
            case .admitted: return
            case .displace(let victims):
                if await displace(victims, for: claim.key) { return }
            case .wait(let refusal):
                refused(refusal)
                // At the agent's start slots come in any order: what starts before its betters makes room once it runs.
                let patience = refusal.isBrief ? AgentLimits.briefRoomWait : .zero
                guard !refusal.isFinal, ContinuousClock.now < end + patience else { throw refusal }
            }
            try await Task.sleep(for: AgentLimits.roomInterval)
        }
    }

    package func ready(_ key: RoomClaim.Key) { ledger.ready(key, now: .now) }

    package func leave(_ key: RoomClaim.Key) { ledger.leave(key) }

    /// A slot is gone.
    package func forget(_ slot: SlotName) { tenants[slot] = nil }

    /// A candidate serves from now on.
    package func change(_ key: RoomClaim.Key, urgency: EngineUrgency) { ledger.change(key, urgency: urgency) }

    private func displace(_ victims: [RoomLedger.Victim], for key: RoomClaim.Key) async -> Bool {
        var stayed: Set<RoomClaim.Key> = []
        let (tenants, patience) = (tenants, patience)
        await withTaskGroup(of: (RoomClaim.Key, Bool).self) { group in
            for victim in victims {
                group.addTask {
                    guard let tenant = tenants[victim.key.slot] else { return (victim.key, false) }
                    let time = victim.isBusy ? patience : .zero
                    return (victim.key, await tenant.makeRoom(victim.key, for: key.slot, within: time))
                }
            }
            for await (victim, isGone) in group where !isGone { stayed.insert(victim) }
        }
        return ledger.settle(key, stayed: stayed, now: .now)
    }
}

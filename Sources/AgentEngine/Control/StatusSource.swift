package import AgentStore
internal import MartletTypes

/// The status of the agent at the moment, from its journal and what runs.
package struct StatusSource: Sendable {
    private let store: AgentStore
    private let profile: String
    private let gateway: @Sendable () async throws -> String
    private let clock: AgentClock
    private let started: Timestamp
    private let snapshots: @Sendable () async -> [SlotSnapshot]
    private let problems: DeviceProblems
    private let memory: @Sendable () async -> AgentStatus.Memory?

    /// Made when the agent starts. `gateway` tells where it listens; `snapshots` are the slots as they are now.
    package init(
        store: AgentStore, profile: String, clock: AgentClock, gateway: @escaping @Sendable () async throws -> String,
        problems: DeviceProblems, memory: @escaping @Sendable () async -> AgentStatus.Memory? = { nil },
        snapshots: @escaping @Sendable () async -> [SlotSnapshot]
    ) {
        self.problems = problems
        self.memory = memory
        self.store = store
        self.profile = profile
        self.gateway = gateway
        self.clock = clock
        self.snapshots = snapshots
        started = clock.now
    }

    package func status() async throws -> AgentStatus {
        guard let identity = try store.identity.load() else { throw AgentError.notEnrolled }
        let journal = store.journal
        var slots: [AgentStatus.Slot] = []
        for snapshot in await snapshots() {
            let record = snapshot.record
            let history = try await journal.history(of: record.slot, limit: AgentLimits.statusHistory)
            var slot = AgentStatus.Slot(record, serving: snapshot.serving, history: history)
            slot.engine = snapshot.activity.words
            slot.memory = snapshot.activity.need?.total
            slot.limits = snapshot.activity.limits
            slots.append(slot)
        }
        return AgentStatus(
            agent: AgentStatus.Agent(
                device: identity.device, registry: identity.isAirGapped ? "none" : identity.registry,
                version: MartletVersion.stamped, started: started,
                certificateEnds: identity.notAfter, assignment: try await journal.mark(.assignmentNumber),
                gateway: try await gateway(), profile: profile, storeBytes: await store.blobs.knownUsage(),
                waitingReports: try await journal.reports(limit: AgentLimits.reportsPerCall).count,
                clockDistrust: clock.distrust, refusal: try await RegistryRefusal.kept(in: journal),
                problems: await problems.all(), memory: await memory()),
            slots: slots)
    }
}

extension AgentStatus.Slot {
    init(_ record: SlotRecord, serving: GenerationID?, history: [Transition]) {
        let shown = record.generation(serving) ?? record.current
        self.init(
            slot: record.slot, phase: record.phase.rawValue, serving: serving != nil, current: shown?.paths ?? [],
            previous: record.previous?.paths ?? [], assigned: record.target?.paths ?? [],
            generation: record.target?.generation ?? 0,
            override: record.override.map { "\($0.code): \($0.message)" }, retryAt: record.retryAt,
            history: history.map {
                AgentStatus.Step(time: $0.time, phase: $0.to.rawValue, cause: $0.cause)
            })
    }
}

package import AgentStore
package import MartletTypes
package import ModelRuntime
package import Trust

/// Which engine this device allows, and how it may run.
package struct EngineSettings: Sendable {
    /// The program; nil looks for it (`EngineLookup`).
    package var llamaServer: String?
    /// Threads of an engine where the assignment does not say; nil leaves it to the engine.
    package var threads: Int?
    /// Who starts engines.
    package var launcher: EngineLauncherKind
    /// What engines may touch.
    package var confinement: Confinement
    /// Added to the niceness of engines.
    package var niceness: Int

    package init(
        llamaServer: String? = nil, threads: Int? = nil, launcher: EngineLauncherKind = .fork,
        confinement: Confinement = Confinement(), niceness: Int = 0
    ) {
        self.llamaServer = llamaServer
        self.launcher = launcher
        self.threads = threads
        self.confinement = confinement
        self.niceness = niceness
    }
}

/// How slots share the box, where their assignments leave it open.
package struct SlotSharing: Sendable, Hashable {
    /// What all engines together may take of memory; nil is the profile's share.
    package var memoryBudget: ByteCount?
    /// Time without a request after which an engine is ended until the next; nil keeps it.
    package var idleTime: Duration?
    /// How long an engine runs at least before it makes room for another slot.
    package var minResidence: Duration = .seconds(10)

    package init() {}
}

/// Who starts engines.
package enum EngineLauncherKind: String, Sendable, CaseIterable {
    /// The agent: they are its children, and end with it.
    case fork
    /// systemd, as units that outlive the agent.
    case systemd
}

/// All that the owner of a device decides; `docs/formats/agent-config.md` describes the file.
package struct AgentConfiguration: Sendable {
    /// What may run here, whatever the director says.
    package var policy: LocalPolicy
    /// The engine.
    package var engine: EngineSettings
    /// Engines beside llama.cpp that the owner declared.
    package var declared: [ProcessEngine] = []
    /// How slots share the box.
    package var slots = SlotSharing()
    /// How long another program of the agent may take to reach the registry before it is taken back.
    package var agentTrialSeconds = 600
    /// The local OpenAI-compatible port.
    package var gateway: GatewayConfiguration
    /// Time between two measurements that are sent.
    package var telemetryInterval: Duration
    /// Room for measurements that wait for the registry.
    package var telemetryBudget: ByteCount
    /// Room for blobs.
    package var disk: DiskBudget
    /// Bytes per second that a download may take; nil is unlimited.
    package var bandwidth: ByteCount?
    /// The key that this device proves itself by.
    package var deviceKey: DeviceKeySettings
    /// Labels that are proposed at enrolment.
    package var labels: Labels
    /// Who may ask the agent on the box itself.
    package var control = ControlAccess()
    /// How work that nobody waits for gives way.
    package var background = BackgroundRule()
    /// The id of the device profile; nil takes the one that fits the hardware best.
    package var profile: String?

    package init(
        policy: LocalPolicy = LocalPolicy(), engine: EngineSettings = EngineSettings(),
        gateway: GatewayConfiguration = GatewayConfiguration(), telemetryInterval: Duration = .seconds(60),
        telemetryBudget: ByteCount = .mebibytes(16), disk: DiskBudget = DiskBudget(), bandwidth: ByteCount? = nil,
        deviceKey: DeviceKeySettings = DeviceKeySettings(), labels: Labels = .none
    ) {
        self.policy = policy
        self.engine = engine
        self.gateway = gateway
        self.telemetryInterval = telemetryInterval
        self.telemetryBudget = telemetryBudget
        self.disk = disk
        self.bandwidth = bandwidth
        self.deviceKey = deviceKey
        self.labels = labels
    }

    /// Whether the policy lets any slot run anything.
    package var allowsNothing: Bool { policy.otherSlots.isEmpty && policy.slots.values.allSatisfy(\.isEmpty) }
}

import AgentEngine
import AgentStore
import DeviceProfiles
import Foundation
import Logging
import MartletAPI
import MartletTypes
import ModelRuntime
import RegistryClient
import Synchronization
import TestSupport
import Testing
import Trust

/// A clock that tests set.
final class TestClock: Sendable {
    private let value: Mutex<Timestamp>

    init(_ start: Timestamp) { value = Mutex(start) }

    var now: Timestamp {
        get { value.withLock { $0 } }
        set { value.withLock { $0 = newValue } }
    }
}

/// A device with a registry of its own; engines run only where a test asks for them.
final class DeviceFixture: Sendable {
    let folder: TemporaryFolder
    let registry: FakeRegistry
    let store: AgentStore
    let system: TestClock
    let clock: AgentClock
    let link: RegistryLink
    let trust: TrustKeeper
    let device: DeviceID
    let slot: SlotName
    let hardware: DeviceHardware
    let gateway: Gateway
    let engines: InstalledEngines
    /// Whether a script stands in for the engine: it may read what it likes.
    let isScripted: Bool

    static let now = AgentClock.buildTime + .seconds(86_400)

    init(
        registry: FakeRegistry? = nil, withEngine: Bool = false, budget: DiskBudget = DiskBudget(reserve: .zero),
        engineVersion: String = "1.0.0", engineScript: String? = nil,
        gateway configuration: GatewayConfiguration = GatewayConfiguration(port: 0)
    ) async throws {
        isScripted = engineScript != nil
        folder = try TemporaryFolder("dev")
        self.registry = try registry ?? FakeRegistry(now: Self.now)
        device = try DeviceID("ward-1")
        slot = try SlotName("triage")
        store = try await AgentStore.open(root: folder.path, budget: budget)
        let key = try store.identity.keep(key: try KeyPair.generate(.ed25519).pem())
        try store.identity.save(
            DeviceIdentity(
                device: device, registry: self.registry.origin, rootDigest: .of(self.registry.root), caFingerprint: "",
                certificate: "", authorities: ["CA"], notBefore: Self.now, notAfter: Self.now + .seconds(86_400 * 90),
                labels: .none, key: key),
            root: self.registry.root)
        let system = TestClock(Self.now)
        self.system = system
        clock = AgentClock(signed: Self.now, system: { system.now })
        link = RegistryLink(store: store)
        trust = try TrustKeeper(store: store, link: link, clock: clock)
        let binary =
            withEngine
            ? try await EngineBinary.probe(path: try engineScript ?? #require(Checkout.llamaServer))
            : EngineBinary(path: "/nonexistent/llama-server", version: engineVersion)
        engines = InstalledEngines(binary)
        hardware = try DeviceHardware.read(
            probe: HardwareProbe(storagePaths: [folder.path]),
            engines: { _ in [binary.name: binary.version ?? ""] })
        let clock = clock
        gateway = Gateway(configuration: configuration, clock: { clock.now })
    }

    func close() async {
        await link.close()
        await store.close()
    }

    // MARK: Parts

    /// A policy that allows the namespace of the tests.
    static let policy = LocalPolicy(otherSlots: ["clinic/*"])

    /// Reads weights in this process, and takes the answer as if a child had given it.
    static let weights = WeightCheck { paths in
        try WeightCheck.facts(of: .text(WeightCheck.checkHere(paths)), seconds: 0)
    }

    func installer(policy: LocalPolicy = DeviceFixture.policy, hardware: DeviceHardware? = nil) -> ReleaseInstaller {
        ReleaseInstaller(
            store: store, link: link, trust: trust, clock: clock, policy: policy,
            hardware: hardware ?? self.hardware, weights: Self.weights, pause: { _ in })
    }

    func target(_ releases: AssignedRelease..., generation: Int64 = 1, soak: Int = 0) -> SlotTarget {
        SlotTarget(
            assignment: SlotAssignment(
                releases: releases, settings: SlotSettings(contextTokens: 256, threads: 1), generation: generation,
                update: UpdatePolicy(soakSeconds: soak)),
            number: generation, expires: Self.now + .seconds(3600))
    }

    /// With `keepsLimits` engines are held to their slot's limits as on a box without control groups.
    func engineTools(_ settings: SwapSettings = SwapSettings(), keepsLimits: Bool = false) -> EngineTools {
        let launcher = ForkLauncher(
            engines: engines, runFolder: folder.path + "/run/engines",
            confinement: Confinement(mode: isScripted ? .off : .available))
        let none = Result { () throws(ControlGroups.Missing) in try ControlGroups.open(root: folder.file("no-groups")) }
        let limited = LimitedLauncher(launcher, groups: none)
        return EngineTools(
            launcher: keepsLimits ? limited : launcher, gateway: gateway, store: store, settings: settings)
    }

    func agent(
        _ settings: SwapSettings = SwapSettings(), limits: SlotLimits = SlotLimits(), keepsLimits: Bool = false,
        logger: Logger = .silent
    ) -> DeviceAgent {
        DeviceAgent(
            tools: SlotTools(
                store: store, installer: installer(), engines: engineTools(settings, keepsLimits: keepsLimits),
                clock: clock, limits: limits, logger: logger))
    }

    /// An assignment as the director signs it.
    func assignment(
        number: Int64, slots: [SlotName: SlotAssignment], device: DeviceID? = nil, expires: Timestamp? = nil
    ) -> Assignment {
        Assignment(
            device: device ?? self.device, number: number, issued: Self.now,
            expires: expires ?? Self.now + .seconds(3600), slots: slots)
    }

    func assignment(number: Int64, _ release: AssignedRelease, soak: Int = 0) -> Assignment {
        assignment(
            number: number, slots: [slot: target(release, generation: number, soak: soak).assignment])
    }

    // MARK: Views

    /// The reports that wait for the registry.
    func reports() async throws -> [DeviceReport] {
        try await store.journal.reports(limit: 1000).map { try JSONText.decode(DeviceReport.self, from: $0.body) }
    }

    func record() async throws -> SlotRecord? { try await store.journal.slots().first { $0.slot == slot } }

    /// Waits until the slot's record is as wished.
    @discardableResult
    func eventually(
        within seconds: Double = 240, _ what: String, _ condition: (SlotRecord) -> Bool
    ) async throws -> SlotRecord {
        let end = ContinuousClock.now + .seconds(seconds)
        var last: SlotRecord?
        while ContinuousClock.now < end {
            last = try await record()
            if let last, condition(last) { return last }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw NeverHappened(what: what, last: last.map { "\($0.phase) \($0.override?.message ?? "")" } ?? "no record")
    }

    struct NeverHappened: Error, CustomStringConvertible {
        let what: String
        let last: String
        var description: String { "It never happened that \(what); last: \(last)" }
    }
}

/// Runs a device's slots while `body` does.
func running(_ agent: DeviceAgent, _ body: () async throws -> Void) async throws {
    let task = Task { try await agent.run() }
    let result: Result<Void, any Error>
    do {
        result = .success(try await body())
    } catch {
        result = .failure(error)
    }
    task.cancel()
    _ = await task.result
    try result.get()
}

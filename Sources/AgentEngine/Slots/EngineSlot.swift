package import AgentStore
package import MartletTypes
package import ModelRuntime
internal import Telemetry
internal import Trust

/// How engines are run on this device.
package struct SwapSettings: Sendable, Hashable {
    /// How a candidate takes over where the device's configuration fixes it; nil decides by memory.
    package var swap: SwapMode?
    /// How long an engine may take to become ready.
    package var startTimeout: Duration
    /// How long open answers may go on after a switch.
    package var drainDeadline: Duration
    /// How long they may go on where the candidate needs the place: requests wait meanwhile.
    package var replaceDrainDeadline: Duration

    package init(
        swap: SwapMode? = nil, startTimeout: Duration = .seconds(300), drainDeadline: Duration = .seconds(600),
        replaceDrainDeadline: Duration = .seconds(20)
    ) {
        self.swap = swap
        self.startTimeout = startTimeout
        self.drainDeadline = drainDeadline
        self.replaceDrainDeadline = replaceDrainDeadline
    }
}

/// What all slots' engines share.
package struct EngineTools: Sendable {
    package var launcher: any RuntimeLauncher
    package var gateway: Gateway
    package var store: AgentStore
    package var settings: SwapSettings
    /// How engines load weights on this device.
    package var loading: WeightLoading
    /// Whether the candidate needs the place of what serves, because memory does not hold both.
    package var needsPlace: @Sendable (GenerationRecord) -> Bool
    /// Settings with what the assignment leaves open filled in for this device.
    package var complete: @Sendable (GenerationRecord) -> SlotSettings
    /// Whether memory and heat allow a candidate to be asked beside what serves, now.
    package var mayShadow: @Sendable () -> Bool
    /// What each row of an evaluation passes.
    package var gate = BackgroundGate()
    /// What must be known of an engine by its name.
    package var traits: @Sendable (String) -> EngineTraits = { _ in .llama }

    package init(
        launcher: any RuntimeLauncher, gateway: Gateway, store: AgentStore, settings: SwapSettings = SwapSettings(),
        loading: WeightLoading = WeightLoading(),
        needsPlace: @escaping @Sendable (GenerationRecord) -> Bool = { _ in false },
        complete: @escaping @Sendable (GenerationRecord) -> SlotSettings = EngineTools.own,
        mayShadow: @escaping @Sendable () -> Bool = { true }
    ) {
        self.launcher = launcher
        self.gateway = gateway
        self.store = store
        self.settings = settings
        self.loading = loading
        self.needsPlace = needsPlace
        self.complete = complete
        self.mayShadow = mayShadow
    }

    /// The assignment's settings with what the release says of itself.
    package static let own: @Sendable (GenerationRecord) -> SlotSettings = { record in
        var settings = record.settings
        settings.pooling = settings.pooling ?? record.shape.pooling
        return settings
    }

    /// How a candidate takes over from what serves.
    func swapMode(_ record: GenerationRecord) -> SwapMode {
        settings.swap ?? (needsPlace(record) ? .replace : .sideBySide)
    }

    /// Whether the engine of a generation makes embeddings.
    func embeds(_ record: GenerationRecord) -> Bool { complete(record).pooling != nil }

    /// The folder of one engine: its socket, and all that it may write.
    func folder(of record: GenerationRecord) -> String {
        "\(store.layout.run)/engines/\(record.slot)/\(record.id)"
    }
}

/// The engines of one slot: at most the one that serves, a candidate beside it, and those that drain.
package actor EngineSlot: SlotRuntime {
    struct Engine {
        let record: GenerationRecord
        let process: any RuntimeProcess
        let client: EngineClient
        /// Its end is wanted: nobody is told of it.
        var isEnding = false
    }

    let slot: SlotName
    let tools: EngineTools
    /// Runs a task beside the caller's for as long as the slot is driven.
    let spawn: @Sendable (@escaping @Sendable () async -> Void) -> Void
    let news: @Sendable (RuntimeNews) -> Void
    var engines: [GenerationID: Engine] = [:]
    /// Where the gateway leads.
    var routed: GenerationID?
    /// What shall serve: started again when its engine ends.
    var wanted: GenerationRecord?
    /// When requests began to wait.
    var parkedSince: ContinuousClock.Instant?
    var crashes: [ContinuousClock.Instant] = []
    private var turn = Turn()

    package init(
        slot: SlotName, tools: EngineTools, news: @escaping @Sendable (RuntimeNews) -> Void,
        spawn: @escaping @Sendable (@escaping @Sendable () async -> Void) -> Void
    ) {
        self.slot = slot
        self.tools = tools
        self.news = news
        self.spawn = spawn
    }

    package func serving() -> GenerationID? { routed }

    // MARK: Commands

    package func serve(_ record: GenerationRecord) async throws {
        await enter()
        defer { turn.give() }
        if wanted?.id != record.id { crashes = [] }
        wanted = record
        do {
            try await bring(record)
            await clear(sparing: nil)
        } catch {
            // It shall serve, so it is tried again until something else shall.
            spawn { await self.mend(record.id) }
            throw error
        }
    }

    package func startCandidate(
        _ record: GenerationRecord
    ) async throws -> (mode: SwapMode, milliseconds: Int64) {
        await enter()
        defer { turn.give() }
        let start = ContinuousClock.now
        let mode = await makePlace(for: record)
        try await launch(record)
        return (mode, (ContinuousClock.now - start).inMilliseconds)
    }

    package func switchOver(_ record: GenerationRecord) async throws -> Duration {
        await enter()
        defer { turn.give() }
        _ = try engine(record)
        let waited = parkedSince.map { ContinuousClock.now - $0 } ?? .zero
        wanted = nil
        await route(record)
        return waited
    }

    package func endOthers(sparing spared: GenerationID?) async {
        await enter()
        defer { turn.give() }
        await clear(sparing: spared)
    }

    package func endAll(forget: Bool) async {
        await enter()
        defer { turn.give() }
        wanted = nil
        routed = nil
        if forget { await tools.gateway.removeRoute(slot) } else { await hold() }
        for id in engines.keys { await end(id) }
    }

    // MARK: Steps

    /// Starts what is not running and leads the gateway to it.
    func bring(_ record: GenerationRecord) async throws {
        if let engine = engines[record.id], engine.isEnding {
            // Its last answers are cut short by nothing but this: it is wanted again, and its drain cannot be undone.
            await end(record.id)
        }
        if engines[record.id] == nil {
            if routed == nil { await hold() }
            _ = await makePlace(for: record)
            try await launch(record)
        }
        await route(record)
    }

    /// Lets requests wait, drains and ends what serves, where the device has no room for both.
    private func makePlace(for record: GenerationRecord) async -> SwapMode {
        guard let routed, engines[routed] != nil else { return .sideBySide }
        let mode = tools.swapMode(record)
        guard mode == .replace else { return mode }
        await hold()
        let deadline = tools.settings.replaceDrainDeadline
        let drained = await tools.gateway.drain(slot, generation: Int(routed.number), deadline: deadline)
        self.routed = nil
        await end(routed)
        if drained.cutStreams > 0 { news(.drained(cutStreams: drained.cutStreams)) }
        return mode
    }

    private func route(_ record: GenerationRecord) async {
        routed = record.id
        await tools.gateway.setRoute(
            slot: slot, generation: Int(record.id.number), release: record.label, socketPath: socket(record),
            embeds: tools.embeds(record), speaks: tools.traits(record.engine.name).speaks)
        parkedSince = nil
        await tools.gateway.unpark(slot)
    }

    /// Ends the engines that the gateway does not lead to: at once where they answer nobody, else when they are done.
    private func clear(sparing spared: GenerationID?) async {
        for (id, engine) in engines where id != routed && id != spared && !engine.isEnding {
            if await tools.gateway.inFlight(slot, generation: Int(id.number)) == 0 {
                await end(id)
            } else {
                engines[id]?.isEnding = true
                spawn { await self.retire(id) }
            }
        }
    }

    /// Waits for an engine's last answers, then ends it.
    private func retire(_ id: GenerationID) async {
        let drained = await tools.gateway.drain(
            slot, generation: Int(id.number), deadline: tools.settings.drainDeadline)
        await end(id)
        news(.drained(cutStreams: drained.cutStreams))
    }

    /// Requests wait from now on.
    func hold() async {
        if parkedSince == nil { parkedSince = .now }
        await tools.gateway.park(slot)
    }

    func engine(_ record: GenerationRecord) throws -> Engine {
        guard let engine = engines[record.id] else {
            throw SlotFailure(.final, code: "engineExited", message: "The candidate's engine is not running any more.")
        }
        return engine
    }

    func enter() async {
        if turn.take() { return }
        await withCheckedContinuation { turn.wait($0) }
    }

    func leave() { turn.give() }
}

extension GenerationRecord {
    /// As labels of its measurements.
    var label: ReleaseLabel { ReleaseLabel(releases.map { ($0.path, $0.indexDigest) }) }
}

extension Duration {
    /// Whole milliseconds, rounded down.
    var inMilliseconds: Int64 {
        components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
    }
}

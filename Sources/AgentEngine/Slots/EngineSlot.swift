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
    /// Time without a request after which an engine is ended, where the assignment does not say; nil keeps it.
    package var idleTime: Duration?
    /// How long an engine waits for room in memory while requests wait for it.
    package var wakeDeadline: Duration
    /// How long a candidate waits for room before its installation is tried another time.
    package var candidateDeadline: Duration
    /// Between two questions to an engine that has requests open whether it is still there.
    package var healthInterval: Duration = .seconds(30)
    /// Between two looks at the board's heat while requests wait for an engine that it keeps from being started.
    package var heatInterval: Duration = AgentLimits.heatInterval

    package init(
        swap: SwapMode? = nil, startTimeout: Duration = .seconds(300), drainDeadline: Duration = .seconds(600),
        replaceDrainDeadline: Duration = .seconds(20), idleTime: Duration? = nil, wakeDeadline: Duration = .seconds(30),
        candidateDeadline: Duration = .seconds(20)
    ) {
        self.swap = swap
        self.startTimeout = startTimeout
        self.drainDeadline = drainDeadline
        self.replaceDrainDeadline = replaceDrainDeadline
        self.idleTime = idleTime
        self.wakeDeadline = wakeDeadline
        self.candidateDeadline = candidateDeadline
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
    /// The memory that all slots' engines share.
    package var room: EngineRoom
    /// What an engine of a generation takes of it.
    package var need: @Sendable (GenerationRecord) -> EngineNeed
    /// Whether the candidate needs the place of what serves, because memory does not hold both.
    package var needsPlace: @Sendable (GenerationRecord) -> Bool
    /// Settings with what the assignment leaves open filled in for this device.
    package var complete: @Sendable (GenerationRecord) -> SlotSettings
    /// Whether memory and heat allow a candidate to be asked beside what serves, now.
    package var mayShadow: @Sendable () -> Bool
    /// Why the board's heat lets no engine start but what serves; nil where it does. A sentence.
    package var startRefusal: @Sendable () -> String? = { nil }
    /// What each row of an evaluation passes.
    package var gate = BackgroundGate()
    /// What must be known of an engine by its name.
    package var traits: @Sendable (String) -> EngineTraits = { _ in .llama }
    /// Engines that came as releases; nil where this device takes none.
    package var trees: EngineTrees?
    /// Waits before an engine that ended is started again.
    package var pause: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }

    package init(
        launcher: any RuntimeLauncher, gateway: Gateway, store: AgentStore, settings: SwapSettings = SwapSettings(),
        loading: WeightLoading = WeightLoading(), room: EngineRoom = EngineRoom(),
        need: @escaping @Sendable (GenerationRecord) -> EngineNeed = { _ in EngineNeed(own: .zero) },
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
        self.room = room
        self.need = need
    }

    /// The assignment's settings with what the release says of itself.
    package static let own: @Sendable (GenerationRecord) -> SlotSettings = { record in
        var settings = record.settings
        settings.pooling = settings.pooling ?? record.shape.pooling
        return settings
    }

    /// How a candidate takes over from what serves. It takes the place of its own slot's engine before any other's.
    func swapMode(_ record: GenerationRecord) async -> SwapMode {
        if let swap = settings.swap { return swap }
        guard !needsPlace(record) else { return .replace }
        return await room.fits(need(record)) ? .sideBySide : .replace
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
    /// Engines that are being ended, each with those who wait for that.
    var endings: [GenerationID: [CheckedContinuation<Void, Never>]] = [:]
    /// Where the gateway leads.
    var routed: GenerationID?
    /// What shall serve: started again when its engine ends.
    var wanted: GenerationRecord?
    /// When requests began to wait.
    var parkedSince: ContinuousClock.Instant?
    /// Of what shall serve.
    var restarts = EngineRestarts()
    /// Why what is wanted has no engine until a request comes; nil where it has one or gets one.
    var rest: SlotRest?
    var isWaking = false
    /// What is started again and again at the moment: by one task each.
    var mending: Set<GenerationID> = []
    /// The engine whose idleness is watched.
    var idleWatch: GenerationID?
    /// How long the last start took.
    var lastStart: Duration?
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

    /// What answers requests, at once or as soon as one has started it.
    package func serving() -> GenerationID? {
        switch rest {
        case nil, .noRoom(_, isFinal: true): routed
        default: routed ?? wanted?.id
        }
    }

    // MARK: Commands

    package func serve(_ record: GenerationRecord, mayRest: Bool) async throws {
        await enter()
        defer { turn.give() }
        if wanted?.id != record.id { restarts = EngineRestarts() }
        wanted = record
        if mayRest, let reason = standsBy(record) {
            routed = nil
            goToRest(reason)
            return await clear(sparing: nil)
        }
        do {
            try await bring(record, mayRest ? urgency(record) : .demand)
            await tools.room.change(tools.key(of: record), urgency: .demand)
            await clear(sparing: nil)
        } catch let refusal as RoomRefusal where !SlotStanding(record.settings.residency).isPinned {
            goToRest(.noRoom(refusal.reason, isFinal: refusal.isFinal))
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
        // Before what serves has made place for it.
        if let reason = tools.startRefusal() { throw SlotFailure.tooHot(reason) }
        let start = ContinuousClock.now
        let mode = await makePlace(for: record)
        try await launch(record, .candidate)
        return (mode, (ContinuousClock.now - start).inMilliseconds)
    }

    package func switchOver(_ record: GenerationRecord) async throws -> Duration {
        await enter()
        defer { turn.give() }
        _ = try engine(record)
        let waited = parkedSince.map { ContinuousClock.now - $0 } ?? .zero
        wanted = nil
        await tools.room.change(tools.key(of: record), urgency: .demand)
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
        rest = nil
        if forget { await tools.gateway.removeRoute(slot) } else { await hold() }
        for id in engines.keys { await end(id) }
        if forget { await tools.room.forget(slot) }
    }

    // MARK: Steps

    /// Starts what is not running and leads the gateway to it.
    func bring(_ record: GenerationRecord, _ urgency: EngineUrgency) async throws {
        if endings[record.id] != nil || engines[record.id]?.isEnding ?? false { await cutShort(record.id) }
        if engines[record.id] == nil {
            if routed == nil { await hold() }
            _ = await makePlace(for: record)
            try await launch(record, urgency)
            restarts.ready(at: .now)
        }
        await route(record)
    }

    /// Ends an engine whose last answers still run: its generation is wanted again, and its drain cannot be undone.
    private func cutShort(_ id: GenerationID) async {
        let drained = await tools.gateway.drain(slot, generation: Int(id.number), deadline: .zero)
        await end(id)
        if drained.cutStreams > 0 { news(.drained(cutStreams: drained.cutStreams)) }
    }

    /// How much it matters that what shall serve runs now.
    func urgency(_ record: GenerationRecord) -> EngineUrgency {
        let isAwaited = SlotStanding(record.settings.residency).isPinned || tools.gateway.isWaitedFor(slot)
        return isAwaited ? .demand : .standby
    }

    /// Lets requests wait, drains and ends what serves, where the device has no room for both.
    private func makePlace(for record: GenerationRecord) async -> SwapMode {
        guard let routed, engines[routed] != nil else { return .sideBySide }
        let mode = await tools.swapMode(record)
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
        rest = nil
        let traits = tools.traits(record.engine.name)
        await tools.gateway.setRoute(
            slot: slot, generation: Int(record.id.number), release: record.label, socketPath: socket(record),
            embeds: tools.embeds(record), speaks: traits.speaks, keepsAlive: traits.keepsAlive)
        parkedSince = nil
        await tools.gateway.unpark(slot)
        changed()
        if let time = tools.idleTime(record) { spawn { await self.watchIdleness(record.id, time) } }
    }

    /// Ends the engines that the gateway does not lead to: at once where they answer nobody, else when they are done.
    private func clear(sparing spared: GenerationID?) async {
        for (id, engine) in engines where id != routed && id != spared && !engine.isEnding {
            if await tools.gateway.inFlight(slot, generation: Int(id.number)) == 0 {
                await end(id)
            } else {
                engines[id]?.isEnding = true
                spawn { await self.retire(id, engine.process) }
            }
        }
    }

    /// Waits for an engine's last answers, then ends it.
    private func retire(_ id: GenerationID, _ process: any RuntimeProcess) async {
        let drained = await tools.gateway.drain(
            slot, generation: Int(id.number), deadline: tools.settings.drainDeadline)
        if drained.cutStreams > 0 { news(.drained(cutStreams: drained.cutStreams)) }
        // The generation may be wanted again, and served by another engine.
        guard engines[id]?.process.pid == process.pid else { return }
        await end(id)
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

    func tryEnter() -> Bool { turn.take() }

    func leave() { turn.give() }

    func changed() { news(.moved) }
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

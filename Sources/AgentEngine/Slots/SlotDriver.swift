package import AgentStore
package import Logging
package import MartletTypes
internal import ModelRuntime
internal import Synchronization
internal import Trust

/// What all slots' drivers share.
package struct SlotTools: Sendable {
    package var store: AgentStore
    package var installer: any Installer
    package var engines: EngineTools
    package var clock: AgentClock
    package var limits: SlotLimits
    package var logger: Logger
    /// Rung when a slot changed, so that inventory and reports go out.
    package var changed: @Sendable () -> Void
    /// What the device's conditions are judged by.
    package var surroundings: Surroundings
    /// The device's name.
    package var device: String
    /// Why no candidate is tried, asked at a slot's start; nil where one may be.
    package var caution: @Sendable () -> String?
    /// Called with what cannot serve: its blobs are looked at.
    package var suspect: @Sendable (GenerationRecord) -> Void
    /// The agent's own programs; nil where its slot cannot be driven.
    package var programs: AgentPrograms?
    /// When the agent started, to tell for how long its slots were unavailable.
    package var started: ContinuousClock.Instant

    package init(
        store: AgentStore, installer: any Installer, engines: EngineTools, clock: AgentClock,
        limits: SlotLimits = SlotLimits(), logger: Logger, changed: @escaping @Sendable () -> Void = {},
        surroundings: Surroundings = Surroundings(), device: String = "",
        caution: @escaping @Sendable () -> String? = { nil },
        suspect: @escaping @Sendable (GenerationRecord) -> Void = { _ in }, started: ContinuousClock.Instant = .now
    ) {
        self.caution = caution
        self.suspect = suspect
        self.store = store
        self.installer = installer
        self.engines = engines
        self.clock = clock
        self.limits = limits
        self.logger = logger
        self.changed = changed
        self.surroundings = surroundings
        self.device = device
        self.started = started
    }
}

/// Drives one slot: takes events, asks the machine, writes to the journal, then acts.
package actor SlotDriver {
    package nonisolated let slot: SlotName
    let tools: SlotTools
    let logger: Logger
    private let notify: @Sendable (Notice) async -> Void
    private var machine: SlotMachine
    private nonisolated let inbox = SlotInbox()
    private let commands: AsyncStream<@Sendable () async -> Void>
    private let commandInbox: AsyncStream<@Sendable () async -> Void>.Continuation
    /// What runs beside the driver: steps at work, and the watches of engines, which no write may hold up.
    private let jobs: AsyncStream<@Sendable () async -> Void>
    private let jobInbox: AsyncStream<@Sendable () async -> Void>.Continuation
    /// Whether the driver's end is wanted; `hurry` is rung then.
    private nonisolated let isStopping = Atomic(false)
    private nonisolated let hurry = WakeSignal()
    /// Reports that the journal did not take, with nothing else to be written.
    private var owed = OwedReports()
    private var isOwingLater = false
    nonisolated let runtime: any SlotRuntime
    var work: WorkToken?
    var plan: InstallPlan?
    /// Whether the slot has served since the agent's start, or had nothing to serve then.
    var hasServed: Bool

    /// What the driver tells of itself.
    package enum Notice: Sendable {
        /// Blobs or generations may not be needed any more.
        case garbage
        /// The slot is gone.
        case emptied
    }

    /// A driver for a slot as the journal has it; `runtime` is for tests.
    package init(
        record: SlotRecord, tools: SlotTools, runtime: (any SlotRuntime)? = nil,
        notify: @escaping @Sendable (Notice) async -> Void = { _ in }
    ) {
        slot = record.slot
        self.tools = tools
        self.notify = notify
        var logger = tools.logger
        logger[metadataKey: "slot"] = "\(record.slot)"
        self.logger = logger
        machine = SlotMachine(
            record: record, limits: tools.limits, device: tools.device,
            // Another program may be what ends a loop of restarts; how often one may be started is counted by itself.
            caution: record.slot == SlotName.agent ? nil : tools.caution())
        hasServed = record.current == nil
        (commands, commandInbox) = AsyncStream.makeStream()
        (jobs, jobInbox) = AsyncStream.makeStream()
        let (inbox, jobInbox) = (inbox, jobInbox)
        let news: @Sendable (RuntimeNews) -> Void = { news in
            guard let event = Self.event(news) else { return tools.changed() }
            inbox.put(.event(event, nil))
        }
        let own: (any SlotRuntime)? =
            record.slot == SlotName.agent
            ? tools.programs.map { programs -> any SlotRuntime in
                AgentSlot(programs: programs, store: tools.store, news: news)
            } : nil
        self.runtime =
            runtime ?? own
            ?? EngineSlot(slot: record.slot, tools: tools.engines, news: news, spawn: { jobInbox.yield($0) })
    }

    /// What is journaled about the slot.
    package var record: SlotRecord { machine.record }

    /// Something happened.
    package nonisolated func send(_ event: SlotEvent) { inbox.put(.event(event, nil)) }

    nonisolated func send(_ event: SlotEvent, _ token: WorkToken) { inbox.put(.event(event, token)) }

    /// Events that wait to be handled.
    nonisolated var backlog: Int { inbox.count }

    /// Handles events until `stop`, then ends the slot's engines.
    package func run() async {
        await withDiscardingTaskGroup { group in
            let (commands, jobs) = (commands, jobs)
            group.addTask { for await command in commands { await command() } }
            group.addTask { await self.handleAll() }
            for await job in jobs { group.addTask { await job() } }
            group.cancelAll()
        }
        await runtime.endAll(forget: false)
    }

    /// Ends the run, after a note that it was wanted; what cannot be written is not waited for.
    package nonisolated func stop() {
        inbox.put(.event(.stopping, nil))
        inbox.close()
        isStopping.store(true, ordering: .releasing)
        hurry.ring()
    }

    // MARK: Events

    private func handleAll() async {
        while let item = await inbox.next() {
            switch item {
            case .event(let event, let token):
                guard token == nil || token === work else { continue }
                await handle(event)
            case .owing:
                isOwingLater = false
                await payOwed()
                tools.changed()
            }
        }
        commandInbox.finish()
        jobInbox.finish()
    }

    private func handle(_ event: SlotEvent) async {
        if case .served(let id) = event { await tellServing(id) }
        if case .engineLost(let id, _) = event, let current = machine.record.current, current.id == id {
            tools.suspect(current)
        }
        var next = machine
        let before = machine.record
        let now = tools.clock.now
        let step = next.handle(
            event, now: now, random: .random(in: 0...1), takenBack: tools.store.takenBack.current)
        if next.record != before || !step.reports.isEmpty {
            let transition = Transition(
                time: now, slot: slot, from: before.phase, to: next.record.phase, cause: event.name)
            let isMove = transition.from != transition.to
            if isMove { log(transition, next.record, step) } else { log(step.reports) }
            if next.record == before {
                await report(step.reports.compactMap(body(orLog:)))
            } else {
                guard await keep(next.record, isMove ? transition : nil, step.reports, isStart: event == .started)
                else { return }
            }
            tools.changed()
        }
        machine = next
        for action in step.actions {
            if let job = await perform(action) { jobInbox.yield(job) }
        }
    }

    /// Writes before anything is done. A disk that cannot be written stops installations, never serving: so it is tried
    /// until it succeeds, and at the agent's start what is committed serves meanwhile. False where the driver's end
    /// came first: then nothing is to be done.
    private func keep(
        _ record: SlotRecord, _ transition: Transition?, _ reports: [SlotReport], isStart: Bool
    ) async -> Bool {
        var backoff = Backoff()
        while !Task.isCancelled {
            do {
                let bodies = try reports.map { try body(of: $0) }
                try await tools.store.journal.save(record, transition: transition, reports: owed.bodies + bodies)
                owed.paid()
                return true
            } catch {
                logger.error("journal not written", metadata: ["error": "\(ErrorSummary(error).message)"])
                if isStart, backoff.failures == 0, let current = record.current {
                    _ = await perform(.serve(current))
                }
                if isStopping.load(ordering: .acquiring) { return false }
                await hurry.wait(for: backoff.next(random: .random(in: 0...1)))
            }
        }
        return false
    }

    /// What is only told waits in memory where the journal does not take it: nothing of the slot depends on it.
    func report(_ bodies: [[UInt8]]) async {
        owed.add(bodies)
        if !isOwingLater { await payOwed() }
    }

    private func payOwed() async {
        do {
            while let body = owed.bodies.first {
                try await tools.store.journal.report(body)
                owed.paidFirst()
            }
        } catch {
            logger.error("report not written", metadata: ["error": "\(ErrorSummary(error).message)"])
            let pause = owed.pause(random: .random(in: 0...1))
            isOwingLater = true
            jobInbox.yield { [inbox] in
                await Pause.take(pause)
                inbox.put(.owing)
            }
        }
    }

    func body(orLog report: SlotReport) -> [UInt8]? {
        do {
            return try body(of: report)
        } catch {
            logger.error("report not written", metadata: ["error": "\(ErrorSummary(error).message)"])
            return nil
        }
    }

    /// What the registry is told though the slot stays where it is, e.g. that its engine ended and was started again.
    private func log(_ reports: [SlotReport]) {
        for report in reports {
            guard let code = report.code else { continue }
            logger.notice("slot reported", metadata: ["code": "\(code)", "message": "\(report.message ?? "")"])
        }
    }

    private func log(_ transition: Transition, _ record: SlotRecord, _ step: SlotStep) {
        let release = record.target?.paths.map(\.reference).joined(separator: "+")
        let failure = step.reports.last { $0.code != nil }
        var metadata: Logger.Metadata = [
            "from": "\(transition.from)", "to": "\(transition.to)", "cause": "\(transition.cause)",
        ]
        if let release { metadata["release"] = "\(release)" }
        if let failure { metadata["error"] = "\(failure.message ?? "")" }
        logger.log(level: failure == nil ? .info : .warning, "slot moved", metadata: metadata)
    }

    /// Commands to the runtime are carried out one after the other, in their order.
    func command(_ command: @escaping @Sendable () async -> Void) { commandInbox.yield(command) }

    func tell(_ notice: Notice) async { await notify(notice) }

    private static func event(_ news: RuntimeNews) -> SlotEvent? {
        switch news {
        case .lost(let id, let failure): .engineLost(id, failure)
        case .restarted(let id, let reason, let unavailable):
            .engineRestarted(id, reason: reason, unavailableMilliseconds: unavailable.inMilliseconds)
        case .drained(let cut): .drained(cutStreams: cut)
        case .moved: nil
        }
    }
}

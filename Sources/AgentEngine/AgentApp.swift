internal import AgentStore
internal import DeviceProfiles
package import Logging
internal import MartletAPI
internal import MartletTypes
internal import ModelRuntime
internal import ServiceLifecycle
internal import SystemdNotify
internal import Trust
internal import UnixSignals

/// The agent as a process: all its wiring.
package struct AgentApp: Sendable {
    private let configuration: AgentConfiguration
    private let data: String
    private let environment: [String: String]
    private let logger: Logger
    private let log: LogRing

    /// `data` is the device's data folder, an absolute path; `environment` is where the engine is looked for.
    /// `log` holds what `logger` wrote last.
    package init(
        configuration: AgentConfiguration, data: String, environment: [String: String], logger: Logger,
        log: LogRing = LogRing()
    ) {
        self.configuration = configuration
        self.data = data
        self.environment = environment
        self.logger = logger
        self.log = log
    }

    /// Sets up the process that the agent runs in, before anything else is done.
    package static func prepareProcess() {
        IdleMemory.limitHeap()
        OpenFiles.allowMany(AgentLimits.openFiles)
    }

    /// Serves until SIGTERM or SIGINT; then takes no more requests, lets open answers end, and ends the engines.
    ///
    /// Throws `notEnrolled`, `alreadyRunning`, `portInUse` and what else keeps an agent from serving. A registry that
    /// is away, and an engine that is missing, do not.
    ///
    /// Returns true where another program of the agent is to be started in this one's place.
    package func run() async throws -> Bool {
        let started = ContinuousClock.now
        let layout = StoreLayout(root: data)
        guard let identity = try IdentityStore(folder: layout.identity).load() else { throw AgentError.notEnrolled }
        let store = try await AgentStore.open(
            root: data, budget: configuration.disk, runtime: environment["RUNTIME_DIRECTORY"])
        if let trouble = store.health.trouble {
            // Told first: what else fails at this start follows from it.
            logger.error("the data folder takes no writes", metadata: ["error": "\(trouble.message)"])
        }
        let isRestart: Bool
        do {
            isRestart = try await serve(store, identity, started)
        } catch {
            await store.close()
            throw error
        }
        await store.close()
        return isRestart
    }

    private func serve(
        _ store: AgentStore, _ identity: DeviceIdentity, _ started: ContinuousClock.Instant
    ) async throws -> Bool {
        logger.notice(
            "agent starts", metadata: ["device": "\(identity.device)", "version": "\(MartletVersion.stamped)"])
        let signed = Timestamp(milliseconds: try await store.journal.mark(.signedTime))
        let clock = AgentClock(signed: signed)
        await tellRecovery(store, clock)
        let engines = await installedEngines()
        var hardware = try DeviceHardware.read(
            probe: await .ofThisMachine(storagePaths: [data]), profile: configuration.profile,
            engines: { await engines.versions(anew: $0) })
        hardware.traits = { engines.traits($0) }
        hardware.memoryLimit = configuration.slots.memoryBudget
        await store.blobs.leave(hardware.diskReserve)
        let gateway = Gateway(configuration: gatewayConfiguration, clock: { clock.now })
        let (launcher, limits) = try await launcher(engines, store)
        let room = EngineRoom(budget: hardware.modelBudget, minResidence: configuration.slots.minResidence) { slot in
            RoomLedger.Usage(idle: gateway.idleTime(slot))
        }

        let keys = DeviceKeys(store: store.identity, settings: configuration.deviceKey, environment: environment)
        let link = RegistryLink(
            store: store, keys: keys, bandwidth: configuration.bandwidth, clock: clock,
            niceness: configuration.background.niceness)
        let trust = try TrustKeeper(store: store, link: link, clock: clock)
        let reports = ReportSender(journal: store.journal, peer: link, logger: logger)
        let inventoryWake = WakeSignal()
        let heavyWork = WakeSignal()
        let renewalWake = WakeSignal()
        let changed: @Sendable () -> Void = {
            reports.wake.ring()
            inventoryWake.ring()
            heavyWork.ring()
        }
        let problems = DeviceProblems(journal: store.journal, clock: clock, logger: logger, changed: changed)
        let starts = await StartWatch(journal: store.journal, problems: problems, logger: logger)
        var installer = ReleaseInstaller(
            store: store, link: link, trust: trust, clock: clock, policy: configuration.policy, hardware: hardware,
            weights: WeightCheck(confinement: configuration.engine.confinement), caution: { starts.caution })
        installer.reclaimable = { await room.reclaimable(besides: $0) }
        let gate = await backgroundGate(gateway, hardware, clock)
        installer.gate = gate
        let trees = EngineTrees(store: store, confinement: configuration.engine.confinement)
        installer.trees = trees
        let repairs = RepairOrders()
        installer.rotten = {
            await repairs.suspect($0, of: $1, in: store.journal, at: clock.now, logger)
            changed()
        }
        let restart = RestartService()
        let programs = programs(restart)
        var scrubbing = BlobScrub(
            store: store, installer: installer, clock: clock, orders: repairs, logger: logger, changed: changed)
        scrubbing.programs = programs
        let scrub = scrubbing
        var slotTools = SlotTools(
            store: store, installer: installer,
            engines: engineTools(launcher, gateway, store, hardware, room, gate, trees),
            clock: clock, logger: logger, changed: changed, surroundings: Surroundings(hardware.probe),
            device: identity.device.text, caution: { starts.caution }, suspect: { repairs.suspect($0) },
            started: started)
        slotTools.programs = programs
        let agent = DeviceAgent(tools: slotTools)
        repairs.onMended { await agent.renew($0) }
        let inventory = InventorySource(
            store: store, hardware: hardware, problems: problems,
            memoryRooms: { [installer] in try await installer.memoryRooms($0) }, snapshots: { await agent.snapshots() })
        let status = StatusSource(
            store: store, profile: hardware.profile.id, clock: clock,
            gateway: { address(try await gateway.boundPort) }, problems: problems,
            memory: {
                let account = await room.account
                return AgentStatus.Memory(budget: account.budget, taken: account.taken, limits: limits)
            },
            snapshots: { await agent.snapshots() })
        var following = AssignmentSync(
            store: store, link: link, trust: trust, clock: clock, agent: agent, logger: logger, reached: changed,
            changed: changed,
            refreshed: {
                heavyWork.ring()
                renewalWake.ring()
            }, problems: problems)
        // What the call and its answer needed is let go of again.
        following.polled = { heavyWork.ring() }
        following.watch(programs, logger)
        let sync = following
        let explainer = Explainer(
            store: store, trust: trust, installer: installer, problems: problems,
            snapshots: { await agent.snapshots() })
        let intake = BundleIntake(
            store: store, trust: trust, sync: sync, agent: agent, installer: installer, clock: clock,
            policy: configuration.policy, logger: logger)
        let uplink: [any Service] = [
            sync,
            Renewal(
                store: store.identity, keys: keys, journal: store.journal.identity, clock: { clock.now },
                logger: logger,
                wake: renewalWake
            ) { _ in
                await link.renew()
                heavyWork.ring()
            },
            reports,
            InventorySender(peer: link, wake: inventoryWake, logger: logger) { try await inventory.inventory() },
            telemetry(identity, gateway, hardware, store, link, clock) { heavyWork.ring() },
        ]
        // Ended in reverse order: first what speaks to the registry, then the gateway with its open answers, then the
        // engines.
        let notice = ServiceNotice(environment: environment)
        let services: [any Service] =
            [
                agent,
                GatewayService(gateway: gateway) { port in
                    try announce(port, store)
                    notice.ready("The gateway listens on \(address(port)).")
                },
            ]
            + (identity.isAirGapped ? [] : uplink)
            + steadyWatch(programs) { await agent.pulse() }
            + [
                StoreWatch(store: store, problems: problems, logger: logger) {
                    await reportRecovery(store, clock)
                    sync.lookAgain()
                },
                Footprint(work: heavyWork, isBusy: { gateway.isBusy }),
                scrub, starts, ClockWatch(clock: clock, problems: problems),
                ControlSocket(
                    folder: store.layout.run, access: configuration.control, logger: logger, intake: intake,
                    explain: { try await explainer.explain($0) },
                    rollback: { try await sendBack($0, by: $1, agent) }, scrub: { try await scrub.askRound() },
                    logs: LogTeller(ring: log, folder: store.layout.logs)
                ) { try await status.status() },
                Liveness(notice: notice, beforeEnd: { await launcher.agentStops() }) {
                    await agent.pulse()
                    await RuntimePulse.take()
                    return true
                },
            ]
        // At debug it would print every service with all that it holds.
        var groupLogger = logger
        groupLogger.logLevel = max(logger.logLevel, .notice)
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: services.map { .init(service: $0) } + [
                    .init(service: restart, successTerminationBehavior: .gracefullyShutdownGroup)
                ], gracefulShutdownSignals: [.sigterm, .sigint],
                logger: groupLogger))
        do {
            try await group.run()
        } catch {
            await link.close()
            throw error
        }
        await link.close()
        logger.notice("agent stops")
        return restart.isWanted
    }

    // MARK: Parts

    /// What the owner fixed; a stop of the agent does not wait as long as a switch may.
    private var gatewayConfiguration: GatewayConfiguration {
        var gateway = configuration.gateway
        gateway.drainDeadline = min(gateway.drainDeadline, AgentLimits.shutdownDrain)
        return gateway
    }

    /// Without an engine the agent runs, says so, installs nothing, and looks again before each installation.
    private func installedEngines() async -> InstalledEngines {
        let lookup = EngineLookup(named: configuration.engine.llamaServer, environment: environment)
        let engines = InstalledEngines(lookup: lookup, declared: configuration.declared)
        do {
            _ = try await engines.binary(InstalledEngines.llama, anew: true)
        } catch {
            logger.error("no engine", metadata: ["code": "\(error.code)", "error": "\(error.message) \(error.remedy)"])
        }
        return engines
    }

    /// What starts engines on this device, and how it keeps their limits, in words. What an earlier run left and nobody
    /// wants is ended.
    private func launcher(
        _ engines: InstalledEngines, _ store: AgentStore
    ) async throws -> (launcher: any RuntimeLauncher, limits: String) {
        let runFolder = store.layout.run + "/engines"
        let settings = configuration.engine
        // The unit knows the usual folder alone: while the disk takes no writes, engines are forked.
        guard settings.launcher == .systemd, store.layout.run == store.layout.root + "/run" else {
            let launcher = ForkLauncher(
                engines: engines, runFolder: runFolder, confinement: settings.confinement, niceness: settings.niceness)
            await launcher.sweep()
            let limited = LimitedLauncher(
                launcher, groups: Result { () throws(ControlGroups.Missing) in try ControlGroups.open() })
            return (limited, limited.method)
        }
        let launcher = SystemdLauncher(
            engines: engines, runFolder: runFolder, confinement: settings.confinement, niceness: settings.niceness)
        let serving = try await store.journal.slots().compactMap { slot in
            slot.current.map { "\(runFolder)/\(slot.slot)/\($0.id)" }
        }
        await launcher.sweep(sparing: Set(serving))
        return (launcher, "the units of engines")
    }

    /// Only of a program that was launched: the installed one has none before it.
    private func steadyWatch(
        _ programs: AgentPrograms, _ pulse: @escaping @Sendable () async -> Void
    ) -> [any Service] {
        guard let running = programs.running else { return [] }
        let watch = SteadyWatch(folder: programs.folder, program: running, logger: logger) {
            await pulse()
            await RuntimePulse.take()
        }
        return [watch]
    }

    private func programs(_ restart: RestartService) -> AgentPrograms {
        let confinement = configuration.engine.confinement
        return AgentPrograms(
            folder: ProgramFolder(data: data), running: ProgramLauncher.running(environment),
            installed: ProgramLauncher.installed(environment),
            trialSeconds: configuration.agentTrialSeconds,
            describe: { try await ProgramFacts.ask($0, confinement) }, restart: { restart.ring() })
    }

    private func engineTools(
        _ launcher: any RuntimeLauncher, _ gateway: Gateway, _ store: AgentStore, _ hardware: DeviceHardware,
        _ room: EngineRoom, _ gate: BackgroundGate, _ trees: EngineTrees
    ) -> EngineTools {
        let threads = configuration.engine.threads
        var tools = EngineTools(
            launcher: launcher, gateway: gateway, store: store,
            settings: SwapSettings(
                drainDeadline: configuration.gateway.drainDeadline, idleTime: configuration.slots.idleTime,
                wakeDeadline: configuration.gateway.maxPark),
            loading: hardware.loading, room: room, need: { hardware.need(of: $0) },
            needsPlace: { hardware.lacksRoom(for: $0) },
            complete: { record in
                var settings = record.settings
                settings.threads = settings.threads ?? threads
                return hardware.completed(settings, shape: record.shape)
            }, mayShadow: { hardware.allowsShadow })
        tools.traits = hardware.traits
        tools.gate = gate
        tools.startRefusal = { hardware.startRefusal }
        tools.trees = trees
        return tools
    }

    /// What work that nobody waits for passes.
    private func backgroundGate(
        _ gateway: Gateway, _ hardware: DeviceHardware, _ clock: AgentClock
    ) async -> BackgroundGate {
        var rule = configuration.background
        rule.bytesPerSecond = configuration.bandwidth?.bytes
        await BackgroundStorage.giveWay(niceness: rule.niceness)
        return BackgroundGate(
            rule: rule, clock: { clock.now }, offset: Surroundings.localOffset, isBusy: { gateway.isBusy },
            isHot: { hardware.isHot })
    }

    /// A way back that somebody on the box wants, as far as its owner allows it.
    private func sendBack(_ slot: SlotName, by who: String, _ agent: DeviceAgent) async throws -> LocalRollback {
        guard configuration.policy.allowsLocalRollback else {
            throw AgentError(
                .localRollbackRefused, "This device's owner does not let slots go back on the box.",
                remedy: "Ask the registry's operators: martlet rollback.")
        }
        return try await agent.sendBack(slot, by: who)
    }

    private func telemetry(
        _ identity: DeviceIdentity, _ gateway: Gateway, _ hardware: DeviceHardware, _ store: AgentStore,
        _ link: RegistryLink, _ clock: AgentClock, delivered: @escaping @Sendable () -> Void
    ) -> TelemetrySender {
        let sampler = SystemSampler(store: data, clock: { clock.now })
        return TelemetrySender(
            source: TelemetrySender.Source(
                device: identity.device, profile: hardware.profile.id,
                intervals: { await gateway.takeMeasurements() }, sample: { await sampler.sample() }),
            journal: store.journal, peer: link, interval: configuration.telemetryInterval,
            budget: configuration.telemetryBudget, logger: logger, delivered: delivered)
    }

    /// Tells where the gateway listens, for those that let it take a free port.
    private func announce(_ port: Int, _ store: AgentStore) throws {
        var addresses = ["gateway": address(port)]
        addresses["gatewaySocket"] = configuration.gateway.unixSocketPath
        try store.files.writeAtomically(JSONText.encode(addresses), to: store.layout.run + "/addresses.json")
        logger.notice("gateway listens", metadata: ["address": "\(address(port))"])
    }

    private func address(_ port: Int) -> String {
        GatewayAddress.text(host: configuration.gateway.host, port: port)
    }

    private func tellRecovery(_ store: AgentStore, _ clock: AgentClock) async {
        logger.tell(leftovers: store.leftovers)
        guard let message = store.recovery?.message else { return }
        logger.error("journal made anew", metadata: ["error": "\(message)"])
        await reportRecovery(store, clock)
    }

    /// On a disk that takes no writes this follows once it does.
    private func reportRecovery(_ store: AgentStore, _ clock: AgentClock) async {
        guard let message = store.recovery?.message, !store.health.isSuspended else { return }
        let report = DeviceReport(sequence: 0, time: clock.now, code: "journalRecovered", message: message)
        do {
            try await store.journal.report(ReportBody.write(report))
        } catch {
            // The log has it.
            logger.error("report not written", metadata: ["error": "\(ErrorSummary(error).message)"])
        }
    }
}

/// The gateway for as long as the agent runs.
private struct GatewayService: Service {
    let gateway: Gateway
    let onBound: @Sendable (Int) throws -> Void

    func run() async throws {
        try await cancelWhenGracefulShutdown {
            async let served: Void = gateway.run()
            try onBound(await gateway.boundPort)
            try await served
        }
    }
}

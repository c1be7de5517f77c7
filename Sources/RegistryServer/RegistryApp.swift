import Foundation
import Hummingbird
import Logging
import MartletAPI
import MartletTypes
import NIOCore
import NIOSSL
import RegistryStore
import ServiceLifecycle
import Synchronization
import SystemdNotify
import UnixSignals

/// The registry's process: read this file to see how it is put together.
package final class RegistryApp: Sendable {
    private let configuration: RegistryConfiguration
    private let group = Mutex<ServiceGroup?>(nil)

    package init(configuration: RegistryConfiguration) { self.configuration = configuration }

    /// Serves until a signal or `stop`. Throws a `MartletError` that says what keeps it from running.
    ///
    /// Without `handlingSignals` only `stop` ends it: for tests, which share their process.
    package func run(handlingSignals: Bool = true) async throws {
        try configuration.validate()
        // Each device that waits in a poll holds one.
        if !OpenFiles.allowMany() { configuration.logger.warning("the limit of open files could not be raised") }
        let folder = DataFolder(path: configuration.dataFolder)
        try folder.create()
        let lock = try folder.lock()
        // What a process that was killed has left would send people to a port that is someone else's.
        folder.remove(folder.addresses)
        defer {
            folder.remove(folder.addresses)
            lock.release()
        }
        guard try folder.read(folder.restoring) == nil else {
            throw ServerError(
                503, "restoreUnfinished", "The restore into \(folder.path) was not finished.",
                remedy: "Run `martlet-registry restore` again.", fault: .environment)
        }
        let database = try SQLiteDatabase(path: folder.database)
        let steps = try await Migrator(try Migration.shipped())
            .run(on: database, keepingCopyOf: folder.database, now: configuration.clock())
        if let first = steps.first, first > 1 {
            configuration.logger.notice(
                "brought the database to this program's schema",
                metadata: ["steps": "\(steps)", "copy": "\(SchemaCopies(of: folder.database).file(before: first))"])
        }
        let core = RegistryCore(
            database: database, blobs: try FileBlobStore(folder: folder.path),
            keyring: try OnlineKeyring.open(folder, now: configuration.clock()), clock: configuration.clock,
            logger: configuration.logger, changes: ChangeHub(), presence: Presence(clock: configuration.clock),
            metrics: RequestMetrics(), deviceCertificateLife: configuration.deviceCertificateLife,
            requiresApproval: configuration.requiresApproval, dataFolder: folder)
        try await FirstToken(core: core, folder: folder, configuration: configuration).makeIfNeeded()
        let metadata = MetadataService(core: core)
        // A crash may have come between what owners signed and the keys that follow from it.
        try await metadata.settleKeys()
        try await metadata.renew()
        let services = try services(core, folder, metadata)
        var groupConfiguration = ServiceGroupConfiguration(
            services: services.map { .init(service: $0) },
            gracefulShutdownSignals: handlingSignals ? [.sigterm, .sigint] : [], logger: configuration.logger)
        // Requests that take longer than this are cut; uploads and downloads go on where they stood.
        groupConfiguration.maximumGracefulShutdownDuration = ServerLimits.shutdownGrace
        let serviceGroup = ServiceGroup(configuration: groupConfiguration)
        group.withLock { $0 = serviceGroup }
        try await serviceGroup.run()
        try database.close()
        configuration.logger.info("stopped")
    }

    /// Ends it gracefully: parked polls are answered, requests at work may end.
    package func stop() async { await group.withLock { $0 }?.triggerGracefulShutdown() }

    /// Everything that runs, in the order in which it starts; it stops in the opposite one.
    private func services(
        _ core: RegistryCore, _ folder: DataFolder, _ metadata: MetadataService
    ) throws -> [any Service] {
        let rollouts = RolloutService(core: core)
        let operators = OperatorService(core: core, metadata: metadata, rollouts: rollouts)
        let devices = DeviceService(core: core, metadata: metadata, rollouts: rollouts)
        let sessions = Sessions(clock: core.clock)
        let assets = Assets(folder: configuration.assetsFolder)
        let bound = BoundAddresses(configuration: configuration, core: core, folder: folder)

        let tls = try ListenerTLS(configuration, folder, core)
        let operatorAuthorizer = OperatorAuthorizer(
            core: core, sessions: sessions, attempts: AuthenticationLimit(clock: core.clock))
        let renderer = try PageRenderer(assets: assets)
        let dashboard = Dashboard(
            service: operators, renderer: renderer, live: LiveStreams(changes: core.changes),
            login: LoginForm(
                renderer: renderer, authorizer: operatorAuthorizer, sessions: sessions,
                isSecure: configuration.security != .plain))
        let idempotency = Idempotency(core: core)
        let owner = try OperatorService.newID("registry")
        let webhookKey = try WebhookKey.open(folder)
        let events = EventEndpoints(
            events: EventService(core: core, streams: EventStreams(core: core)),
            webhooks: WebhookService(core: core, key: webhookKey, configuration: configuration.webhooks),
            idempotency: idempotency)
        let operatorTable = RouteTable(
            OperatorEndpoints(service: operators, assets: assets, idempotency: idempotency).all() + events.all()
                + OCIService(core: core, listener: "operator").operatorEndpoints() + dashboard.endpoints())
        let enrolments = RateLimit(
            limit: ServerLimits.enrolAttempts, window: ServerLimits.enrolWindow, clock: core.clock)
        let deviceTable = RouteTable(
            DeviceEndpoints(service: devices, enrolments: enrolments).all()
                + OCIService(core: core, listener: "device").deviceEndpoints())

        return [
            Upkeep(core: core, metadata: metadata),
            RolloutTicker(rollouts: rollouts, owner: owner),
            EventFeed(core: core),
            EventUpkeep(core: core, owner: owner),
            WebhookCourier(core: core, key: webhookKey, configuration: configuration.webhooks, owner: owner),
            Listener(
                name: "operator", address: configuration.operatorAddress,
                contexts: tls.operators,
                dispatcher: Dispatcher(
                    table: operatorTable, authorizer: operatorAuthorizer, metrics: core.metrics, listener: "operator"),
                logger: core.logger, onBound: { try await bound.set(.operator, $0) }),
            Listener(
                name: "device", address: configuration.deviceAddress, contexts: tls.devices,
                dispatcher: Dispatcher(
                    table: deviceTable, authorizer: DeviceAuthorizer(core: core), metrics: core.metrics,
                    listener: "device", connections: core.connections),
                logger: core.logger, onBound: { try await bound.set(.device, $0) }),
            Liveness(core: core, notice: configuration.notice),
        ] + tls.renewals
    }
}

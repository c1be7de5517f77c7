import Logging
import MartletAPI
import MartletTypes
import NIOCore
import NIOPosix
import RegistryStore
import ServiceLifecycle

/// Delivers events to webhooks: one replica at a time, under the fenced lease.
///
/// What is to be sent, and how it went, are rows. A registry that is killed between an answer and its row sends the
/// same event again with the same identifier; nothing is ever left out.
actor WebhookCourier: Service {
    let core: RegistryCore
    private let key: WebhookKey
    let retry: WebhookRetry
    /// Who holds the lease: one name for each process.
    private let owner: String
    private var lease: Lease?
    /// Endpoints that are sent to now.
    private var busy: Set<String> = []

    private static let leaseName = "webhooks"
    /// How often it looks for what is due, besides when something happens.
    private static let beat = TimeAmount.milliseconds(500)

    init(core: RegistryCore, key: WebhookKey, configuration: WebhookConfiguration, owner: String) {
        self.core = core
        self.key = key
        retry = WebhookRetry(configuration: configuration)
        self.owner = owner
    }

    func run() async throws {
        await cancelWhenGracefulShutdown { await self.loop() }
        await attempt { try await self.releaseLease() }
    }

    private func loop() async {
        let listener = core.changes.listen([.event], nil)
        defer { core.changes.end(listener) }
        await withDiscardingTaskGroup { group in
            while !Task.isCancelled {
                for webhook in await attempt({ try await self.dueEndpoints() }) ?? [] {
                    group.addTask {
                        await self.serve(webhook)
                        listener.wake(.change)
                    }
                }
                let alarm = MultiThreadedEventLoopGroup.singleton.next().scheduleTask(in: Self.beat) {
                    listener.wake(.timeout)
                }
                _ = await listener.wait()
                alarm.cancel()
            }
            group.cancelAll()
        }
    }

    /// One failure (a full disk, a busy database) must not end the courier: it is logged, and tried again.
    @discardableResult
    private func attempt<Value: Sendable>(_ body: @Sendable () async throws -> Value) async -> Value? {
        do {
            return try await body()
        } catch is CancellationError {
            return nil
        } catch let error as StoreError where error.kind == .leaseLost {
            lease = nil
            return nil
        } catch {
            core.logger.error("cannot deliver webhooks", metadata: ["error": "\(error)"])
            return nil
        }
    }

    // MARK: - What is due

    /// Puts new events on their way and takes endpoints that something is due for, as many as may be sent to at once.
    private func dueEndpoints() async throws -> [String] {
        let core = core
        guard try await core.database.read({ try WebhookStore($0).hasEnabled() }) else { return [] }
        guard let lease = try await hold() else { return [] }
        while try await fanOut(lease) {}
        let now = core.clock()
        let due = try await core.database.read { try DeliveryStore($0).due(now: now) }
        let free = due.filter { !busy.contains($0) }
            .prefix(max(0, ServerLimits.webhookEndpointsAtOnce - busy.count))
        busy.formUnion(free)
        return Array(free)
    }

    /// The lease, extended where half of it is over; nil while another replica has it.
    private func hold() async throws -> Lease? {
        let (core, owner) = (core, owner)
        let now = core.clock()
        if let lease, lease.expires - now > ServerLimits.webhookLease / 2,
            lease.expires - now <= ServerLimits.webhookLease
        {
            return lease
        }
        lease = try await core.database.write {
            try LeaseStore($0).acquire(Self.leaseName, owner: owner, for: ServerLimits.webhookLease, now: now)
        }
        return lease
    }

    private func releaseLease() async throws {
        guard let lease else { return }
        try await core.database.write { try LeaseStore($0).release(lease) }
    }

    /// Makes deliveries of new events, for each webhook as many as may wait; returns whether there may be more.
    private func fanOut(_ lease: Lease) async throws -> Bool {
        let core = core
        let isBehind = try await core.database.read { sql in
            let newest = try EventLog(sql).newest()
            return try WebhookStore(sql).list().contains { $0.isEnabled && $0.event < newest }
        }
        guard isBehind else { return false }
        return try await core.database.write { sql in
            try LeaseStore(sql).check(lease)
            var isMore = false
            for webhook in try WebhookStore(sql).list() where webhook.isEnabled {
                if try Self.fanOut(to: webhook, sql, now: core.clock()) { isMore = true }
            }
            return isMore
        }
    }

    private static func fanOut(to webhook: WebhookRow, _ sql: any SQLConnection, now: Timestamp) throws -> Bool {
        let deliveries = DeliveryStore(sql)
        var room = StoreLimits.pendingDeliveries - (try deliveries.count(webhook.id, .pending))
        let events = try EventLog(sql).rows(after: webhook.event, limit: ServerLimits.webhookFanOut)
        let reach = try EventReach(webhook.reach, sql)
        var last = webhook.event
        for event in events {
            if try wants(webhook, event, reach) {
                // What finds no room waits in the log.
                guard room > 0 else { break }
                try deliveries.add(event.number, to: webhook.id, now: now)
                room -= 1
            }
            last = event.number
        }
        guard last > webhook.event else { return false }
        try WebhookStore(sql).advance(webhook.id, to: last)
        return events.count == ServerLimits.webhookFanOut
    }

    /// A test is for the endpoint that is tested, whatever else it wants.
    private static func wants(_ webhook: WebhookRow, _ event: EventRow, _ reach: EventReach) throws -> Bool {
        if event.type == .webhookTest { return event.subject == webhook.id }
        guard webhook.filter.contains(event.type) else { return false }
        return try reach.contains(event)
    }

    // MARK: - One endpoint

    /// Sends what is due to one endpoint, one after the other, until one fails or others shall have their turn.
    private func serve(_ id: String) async {
        await attempt { try await self.deliver(to: id) }
        busy.remove(id)
    }

    private func deliver(to id: String) async throws {
        guard let lease else { return }
        let core = core
        let now = core.clock()
        let (found, due) = try await core.database.read { sql in
            (
                try WebhookStore(sql).find(id),
                try DeliveryStore(sql).due(id, now: now, limit: ServerLimits.webhookBatch)
            )
        }
        guard let webhook = found, webhook.isEnabled, let first = due.first else { return }
        let sender: WebhookSender
        do {
            sender = try await WebhookSender.open(webhook.url, retry.configuration, turn: webhook.failures)
        } catch let error as ServerError {
            try await note(.failed(error.message), first, webhook, lease)
            return
        }
        var failure: (any Error)?
        do {
            for delivery in due {
                let outcome = try await send(delivery, of: webhook, by: sender)
                try await note(outcome, delivery, webhook, lease)
                guard case .accepted = outcome else { break }
            }
        } catch {
            failure = error
        }
        try await sender.close()
        if let failure { throw failure }
    }

    private func send(
        _ delivery: DeliveryRow, of webhook: WebhookRow, by sender: WebhookSender
    ) async throws -> WebhookOutcome {
        let now = core.clock()
        let body = try JSONText.encode(EventRecord(delivery.event, core.deviceOrigin.value))
        let signature = key.signature(of: webhook, event: delivery.event.id, at: now, body)
        return try await sender.post(
            body,
            [
                ("content-type", "application/json"), ("user-agent", "Martlet-Webhooks/" + MartletVersion.text),
                ("webhook-id", delivery.event.id), ("webhook-timestamp", String(now.seconds)),
                ("webhook-signature", signature),
            ])
    }

    private func note(
        _ outcome: WebhookOutcome, _ delivery: DeliveryRow, _ webhook: WebhookRow, _ lease: Lease
    ) async throws {
        let core = core
        let retry = retry
        let random = Double.random(in: 0...1)
        try await core.database.write { sql in
            try LeaseStore(sql).check(lease)
            // The rows as they are now: it may have been sent again, disabled or thrown away meanwhile.
            guard let webhook = try WebhookStore(sql).find(webhook.id),
                let delivery = try DeliveryStore(sql).find(delivery.number)
            else { return }
            let now = core.clock()
            let decision = retry.decision(
                outcome, attempts: delivery.attempts, failures: webhook.failures, random: random, now: now)
            try DeliveryStore(sql).note(
                delivery.number, state: decision.state, nextAttempt: decision.nextAttempt, status: decision.status,
                error: decision.error, now: now)
            guard let rest = decision.restUntil else {
                try WebhookStore(sql).noteSuccess(webhook.id)
                return
            }
            let since = try WebhookStore(sql).noteFailure(webhook.id, restUntil: rest, now: now)
            var reason = decision.disables
            if now - since >= retry.configuration.disableAfter { reason = reason ?? "it failed since \(since)" }
            guard let reason, webhook.isEnabled else { return }
            try WebhookStore(sql).disable(webhook.id, reason: reason)
            try AuditLog(sql).append(
                actor: "registry", action: "webhook.disable", subject: webhook.id,
                detail: .object(["reason": .string(reason)]), now: now)
        }
    }
}

extension WebhookRow {
    /// What its limits leave.
    var reach: Reach { Reach(namespaces: namespaces.map(Set.init), fleets: fleets.map(Set.init)) }
}

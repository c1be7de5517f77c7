import Foundation
import MartletAPI
import MartletTypes
import RegistryStore

/// What administrators do with webhooks. A secret stands in the answer that made it and nowhere else.
struct WebhookService: Sendable {
    let core: RegistryCore
    let key: WebhookKey
    let configuration: WebhookConfiguration

    func list() async throws -> [WebhookInfo] {
        try await core.database.read { sql in try WebhookStore(sql).list().map { try Self.info($0, sql) } }
    }

    func show(_ id: String) async throws -> WebhookInfo {
        try await core.database.read { sql in try Self.info(try Self.find(id, sql), sql) }
    }

    /// Makes an endpoint; it gets what happens from now on. Throws 422 `badWebhookURL` or `forbiddenAddress`, 404
    /// `unknownFleet`, 409 `tooManyWebhooks`.
    func create(_ request: WebhookRequest, actor: String) async throws -> WebhookInfo {
        try await check(request.url)
        try OperatorService.check(request.namespaces, request.fleets)
        let core = core
        let id = try OperatorService.newID("w")
        var info = try await core.database.write { sql in
            let now = core.clock()
            guard try WebhookStore(sql).list().count < ServerLimits.webhooks else {
                throw ServerError.conflict(
                    "tooManyWebhooks", "There are \(ServerLimits.webhooks) webhooks; more are not kept.",
                    remedy: "Delete one that is not needed (`martlet webhooks list`).")
            }
            for fleet in request.fleets ?? [] { _ = try OperatorService.fleet(fleet, sql) }
            // That it was made is not for itself: it gets what follows.
            let webhook = WebhookRow(
                id: id, url: request.url, filter: request.events ?? .everything, namespaces: request.namespaces,
                fleets: request.fleets, event: try EventLog(sql).newest() + 1, created: now, createdBy: actor)
            try WebhookStore(sql).create(webhook)
            try AuditLog(sql).append(
                actor: actor, action: "webhook.create", subject: id, detail: Self.detail(webhook), now: now)
            return try Self.info(webhook, sql)
        }
        info.secret = key.secretText(id, 1)
        return info
    }

    /// Changes an endpoint; enabled again, it gets what it has missed unless `skip` says otherwise.
    func patch(_ id: String, _ patch: WebhookPatch, actor: String) async throws -> WebhookInfo {
        if let url = patch.url { try await check(url) }
        let core = core
        return try await core.database.write { sql in
            var webhook = try Self.find(id, sql)
            if let url = patch.url { webhook.url = url }
            if let events = patch.events { webhook.filter = events }
            if patch.skip == true {
                guard patch.enabled == true else {
                    throw ServerError.badRequest("skip goes with enabled.", field: "/skip")
                }
                webhook.event = try EventLog(sql).newest()
            }
            try WebhookStore(sql).update(webhook)
            switch patch.enabled {
            case true?: try WebhookStore(sql).enable(id)
            case false?: try WebhookStore(sql).disable(id, reason: "disabled by \(actor)")
            case nil: break
            }
            let changed = try Self.find(id, sql)
            try AuditLog(sql).append(
                actor: actor, action: "webhook.change", subject: id, detail: Self.detail(changed), now: core.clock())
            return try Self.info(changed, sql)
        }
    }

    func delete(_ id: String, actor: String) async throws {
        let core = core
        try await core.database.write { sql in
            _ = try Self.find(id, sql)
            _ = try WebhookStore(sql).delete(id)
            try AuditLog(sql).append(actor: actor, action: "webhook.delete", subject: id, now: core.clock())
        }
    }

    /// Makes a new secret; those before it sign beside it until their time is over.
    func rotate(_ id: String, _ rotation: WebhookRotation, actor: String) async throws -> WebhookInfo {
        let overlap = rotation.overlapSeconds ?? ServerLimits.webhookDefaultOverlap
        guard (0...ServerLimits.webhookOverlap.components.seconds).contains(overlap) else {
            throw ServerError.badRequest(
                "overlapSeconds is not between 0 and \(ServerLimits.webhookOverlap.components.seconds).",
                field: "/overlapSeconds")
        }
        let (core, key) = (core, key)
        return try await core.database.write { sql in
            let now = core.clock()
            var webhook = try Self.find(id, sql)
            let end = now + .seconds(overlap)
            let number = (webhook.secrets.map(\.number).max() ?? 0) + 1
            let former = webhook.secrets(at: now).map { secret in
                WebhookRow.Secret(number: secret.number, until: min(secret.until ?? end, end))
            }
            webhook.secrets = Array(
                ([WebhookRow.Secret(number: number)] + former.filter { $0.until.map { $0 > now } ?? false })
                    .prefix(StoreLimits.webhookSecrets))
            try WebhookStore(sql).update(webhook)
            try AuditLog(sql).append(
                actor: actor, action: "webhook.rotateSecret", subject: id,
                detail: .object(["formerUntil": .string(end.description)]), now: now)
            var info = try Self.info(webhook, sql)
            info.secret = key.secretText(id, number)
            return info
        }
    }

    /// Sets an event on its way to this endpoint only. Throws 409 `webhookDisabled`.
    func test(_ id: String, actor: String) async throws -> WebhookTestReceipt {
        let core = core
        return try await core.database.write { sql in
            guard try Self.find(id, sql).isEnabled else { throw Self.disabled(id) }
            try AuditLog(sql).append(actor: actor, action: "webhook.test", subject: id, now: core.clock())
            guard let event = try EventLog(sql).rows(before: nil, limit: 1).first else {
                throw ServerError.internalError
            }
            return WebhookTestReceipt(event: event.id)
        }
    }

    // MARK: - Deliveries

    /// One page of deliveries, newest first, of one webhook and state where the query says so.
    func deliveries(_ exchange: Exchange) async throws -> Page<WebhookDelivery> {
        let limit = try OperatorService.pageLimit(exchange)
        let cursor = try exchange.number("cursor", in: 1...Int64.max)
        let webhook = try exchange.query("webhook").flatMap { $0.isEmpty ? nil : $0 }
        let state = try exchange.query("state").flatMap { $0.isEmpty ? nil : $0 }.map { text in
            guard let state = DeliveryState(rawValue: text) else {
                throw ServerError.badRequest(
                    "There is no such state of a delivery.",
                    remedy: "Use \(DeliveryState.allCases.map(\.rawValue).joined(separator: ", ")).", field: "state")
            }
            return state
        }
        let source = core.deviceOrigin.value
        return try await core.database.read { sql in
            if let webhook { _ = try Self.find(webhook, sql) }
            let rows = try DeliveryStore(sql).list(webhook, state: state, before: cursor, limit: limit + 1)
            let items = rows.prefix(limit).map { WebhookDelivery($0, source) }
            return Page(items: Array(items), next: rows.count > limit ? items.last.map { "\($0.number)" } : nil)
        }
    }

    /// Sends a delivery again from its first attempt on. Throws 409 `webhookDisabled`.
    func replay(_ number: String, actor: String) async throws -> WebhookDelivery {
        let core = core
        return try await core.database.write { sql in
            let delivery = try Self.delivery(number, sql)
            guard try Self.find(delivery.webhook, sql).isEnabled else { throw Self.disabled(delivery.webhook) }
            _ = try DeliveryStore(sql).replay(delivery.number, now: core.clock())
            try Self.note("webhook.replay", delivery, actor, core, sql)
            return WebhookDelivery(try Self.delivery(number, sql), core.deviceOrigin.value)
        }
    }

    /// Throws a delivery away.
    func discard(_ number: String, actor: String) async throws {
        let core = core
        try await core.database.write { sql in
            let delivery = try Self.delivery(number, sql)
            _ = try DeliveryStore(sql).delete(delivery.number)
            try Self.note("webhook.discard", delivery, actor, core, sql)
        }
    }

    private static func note(
        _ action: String, _ delivery: DeliveryRow, _ actor: String, _ core: RegistryCore, _ sql: any SQLConnection
    ) throws {
        try AuditLog(sql).append(
            actor: actor, action: action, subject: delivery.webhook,
            detail: .object(["delivery": .integer(delivery.number), "event": .string(delivery.event.id)]),
            now: core.clock())
    }

    // MARK: - Rows and documents

    /// A name that has no address yet is no mistake: the endpoint may come later.
    private func check(_ url: String) async throws {
        _ = try await WebhookTarget(url).addresses(within: configuration.network)
    }

    private static func find(_ id: String, _ sql: any SQLConnection) throws -> WebhookRow {
        guard let row = try WebhookStore(sql).find(id) else {
            throw ServerError.notFound(
                "unknownWebhook", "There is no webhook with this identifier.",
                remedy: "`martlet webhooks list` shows them.")
        }
        return row
    }

    private static func delivery(_ number: String, _ sql: any SQLConnection) throws -> DeliveryRow {
        guard let row = try Int64(number).flatMap({ try DeliveryStore(sql).find($0) }) else {
            throw ServerError.notFound(
                "unknownDelivery", "There is no delivery with this number.",
                remedy: "`martlet webhooks deliveries` shows them.")
        }
        return row
    }

    private static func disabled(_ id: String) -> ServerError {
        .conflict(
            "webhookDisabled", "Webhook \(id) is disabled: nothing is sent to it.",
            remedy: "Run `martlet webhooks enable \(id)` first.")
    }

    /// Without path and query: with some receivers these are a secret.
    private static func detail(_ webhook: WebhookRow) -> JSONValue {
        let parts = URLComponents(string: webhook.url)
        var origin = "\(parts?.scheme ?? "")://\(parts?.host ?? "")"
        if let port = parts?.port { origin += ":\(port)" }
        return .object([
            "origin": .string(origin), "events": .string(webhook.filter.description),
            "enabled": .bool(webhook.isEnabled),
        ])
    }

    private static func info(_ row: WebhookRow, _ sql: any SQLConnection) throws -> WebhookInfo {
        WebhookInfo(
            id: row.id, url: row.url, events: row.filter, namespaces: row.namespaces, fleets: row.fleets,
            enabled: row.isEnabled, disabledReason: row.disabledReason, failingSince: row.failingSince,
            pending: try DeliveryStore(sql).count(row.id, .pending),
            dead: try DeliveryStore(sql).count(row.id, .dead),
            formerSecretsUntil: row.secrets.compactMap(\.until), created: row.created, createdBy: row.createdBy)
    }
}

extension WebhookDelivery {
    init(_ row: DeliveryRow, _ source: String) {
        self.init(
            number: row.number, webhook: row.webhook, state: row.state.rawValue, attempts: row.attempts,
            nextAttempt: row.state == .pending ? row.nextAttempt : nil, status: row.status, error: row.error,
            created: row.created, updated: row.updated, event: EventRecord(row.event, source))
    }
}

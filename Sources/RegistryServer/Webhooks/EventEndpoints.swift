import MartletAPI

/// The routes of events and webhooks.
struct EventEndpoints {
    let events: EventService
    let webhooks: WebhookService
    let idempotency: Idempotency

    func all() -> [Endpoint] {
        let (events, webhooks) = (events, webhooks)
        return [
            Endpoint(route: OperatorRoutes.events, style: .api) { try await events.answer($0) },
            endpoint(OperatorRoutes.webhooks) { try .json(try OperatorService.page(try await webhooks.list(), $0)) },
            // Answers with a secret in them are kept nowhere, so these two have no idempotency key.
            endpoint(OperatorRoutes.createWebhook) {
                let request = try await $0.json(WebhookRequest.self)
                return try .json(try await webhooks.create(request, actor: $0.actor), status: 201)
            },
            endpoint(OperatorRoutes.rotateWebhook) {
                let rotation = try await $0.json(WebhookRotation.self)
                return try .json(try await webhooks.rotate($0.text("webhook"), rotation, actor: $0.actor))
            },
            endpoint(OperatorRoutes.webhook) { try .json(try await webhooks.show($0.text("webhook"))) },
            write(OperatorRoutes.patchWebhook) {
                let patch = try await $0.json(WebhookPatch.self)
                return try .json(try await webhooks.patch($0.text("webhook"), patch, actor: $0.actor))
            },
            write(OperatorRoutes.deleteWebhook) {
                try await webhooks.delete($0.text("webhook"), actor: $0.actor)
                return .noContent
            },
            write(OperatorRoutes.testWebhook) {
                try .json(try await webhooks.test($0.text("webhook"), actor: $0.actor), status: 202)
            },
            endpoint(OperatorRoutes.deliveries) { try .json(try await webhooks.deliveries($0)) },
            write(OperatorRoutes.replayDelivery) {
                try .json(try await webhooks.replay($0.text("delivery"), actor: $0.actor), status: 202)
            },
            write(OperatorRoutes.deleteDelivery) {
                try await webhooks.discard($0.text("delivery"), actor: $0.actor)
                return .noContent
            },
        ]
    }

    private func endpoint(_ route: Route, _ handler: @escaping DocumentHandler) -> Endpoint {
        Endpoint(route: route, style: .api) { try await handler($0).response }
    }

    /// A write that may be repeated under an idempotency key.
    private func write(_ route: Route, _ handler: @escaping DocumentHandler) -> Endpoint {
        endpoint(route, idempotency.wrap(handler))
    }
}

import HTTPTypes
import Hummingbird
import MartletAPI
import MartletTypes
import RegistryStore
import Trust

/// The operators' API as a table: one line for each route, what it does behind it.
struct OperatorEndpoints {
    let service: OperatorService
    let assets: Assets
    let idempotency: Idempotency

    /// Every route of `OperatorRoutes`.
    func all() -> [Endpoint] {
        open() + trust() + releases() + fleet() + administration()
            + RolloutEndpoints(service: service, idempotency: idempotency).all()
    }

    private func endpoint(_ route: Route, _ handler: @escaping DocumentHandler) -> Endpoint {
        Endpoint(route: route, style: .api) { try await handler($0).response }
    }

    /// A write that may be repeated under an idempotency key.
    private func write(_ route: Route, _ handler: @escaping DocumentHandler) -> Endpoint {
        endpoint(route, idempotency.wrap(handler))
    }

    private func open() -> [Endpoint] {
        let (service, assets) = (service, assets)
        return [
            endpoint(OperatorRoutes.health) { _ in try .json(["status": "ok"]) },
            endpoint(OperatorRoutes.ready) { _ in
                try await service.requireReady()
                return try .json(["status": "ready"])
            },
            endpoint(OperatorRoutes.metrics) { _ in
                StoredAnswer(
                    status: 200, mediaType: "text/plain; version=0.0.4; charset=utf-8",
                    body: Array(try await service.exposition().utf8))
            },
            endpoint(OperatorRoutes.openAPI) { _ in
                guard let text = try assets.text("openapi/openapi.yaml") else { throw ServerError.noRoute }
                return StoredAnswer(status: 200, mediaType: "application/yaml", body: Array(text.utf8))
            },
            endpoint(OperatorRoutes.authority) { _ in
                StoredAnswer(
                    status: 200, mediaType: "application/x-pem-file",
                    body: service.core.keyring.authority.certificatePEM)
            },
            endpoint(OperatorRoutes.status) { try .json(try await service.status(try $0.reach)) },
            endpoint(OperatorRoutes.whoAmI) { try .json(try $0.caller) },
        ]
    }

    private func trust() -> [Endpoint] {
        let (service, metadata) = (service, service.metadata)
        return [
            endpoint(OperatorRoutes.onlineKeys) { _ in try .json(service.onlineKeys()) },
            endpoint(OperatorRoutes.initializeTrust) { exchange in
                let request = try await exchange.json(TrustInitialization.self, limit: 4 * Limits.tufMetadataBytes)
                try await metadata.initialize(request, actor: exchange.actor)
                return .noContent
            },
            endpoint(OperatorRoutes.putRole) { exchange in
                let bytes = try await exchange.body(limit: Limits.tufMetadataBytes)
                return try .json(try await metadata.put(exchange.text("role"), bytes, by: try exchange.caller))
            },
            endpoint(OperatorRoutes.makeOnlineKey) { exchange in
                guard let name = OnlineKeyName(rawValue: exchange.text("name")) else {
                    throw ServerError.badRequest(
                        "There is no such online key.",
                        remedy: "Use \(OnlineKeyName.allCases.map(\.rawValue).joined(separator: ", ")).", field: "name")
                }
                try await metadata.makeOnlineKey(name, actor: exchange.actor)
                return try .json(service.onlineKeys())
            },
        ] + changes() + MetadataEndpoints(metadata: metadata).operatorEndpoints()
            + OfflineEndpoints(metadata: metadata).all()
    }

    private func changes() -> [Endpoint] {
        let metadata = service.metadata
        let limit = ServerLimits.changeBytes
        return [
            endpoint(OperatorRoutes.changeTrust) {
                let change = try await $0.json(TrustChange.self, limit: limit)
                return try .json(try await metadata.apply(change, by: try $0.caller))
            },
            endpoint(OperatorRoutes.proposals) {
                try .json(try OperatorService.page(try await metadata.proposals(try $0.reach), $0))
            },
            endpoint(OperatorRoutes.proposal) {
                try .json(try await metadata.proposal($0.text("proposal"), try $0.reach))
            },
            endpoint(OperatorRoutes.propose) {
                let request = try await $0.json(ProposalRequest.self, limit: limit)
                return try .json(try await metadata.propose(request, by: try $0.caller), status: 201)
            },
            endpoint(OperatorRoutes.signProposal) {
                let copy = try await $0.json(TrustChange.self, limit: limit)
                return try .json(try await metadata.sign($0.text("proposal"), copy, by: try $0.caller))
            },
            endpoint(OperatorRoutes.deleteProposal) {
                try await metadata.withdraw($0.text("proposal"), by: try $0.caller)
                return .noContent
            },
        ]
    }

    private func releases() -> [Endpoint] {
        let service = service
        return [
            endpoint(OperatorRoutes.releases) { try .json(try await service.releases($0)) },
            endpoint(OperatorRoutes.release) {
                try .json(try await service.release(try $0.parameter("path"), try $0.reach))
            },
            write(OperatorRoutes.block) {
                try .json(try await service.block(try await $0.json(BlockRequest.self), by: try $0.caller))
            },
            endpoint(OperatorRoutes.aliases) { exchange in
                let all = try await service.aliases(
                    try exchange.query("repository", as: RepositoryName.self), try exchange.reach)
                return try .json(try OperatorService.page(all, exchange))
            },
            write(OperatorRoutes.putAlias) {
                try .json(try await service.putAlias(try await $0.json(Alias.self), by: try $0.caller))
            },
        ]
    }

    private func fleet() -> [Endpoint] {
        let service = service
        return [
            endpoint(OperatorRoutes.devices) { try .json(try await service.devices($0)) },
            endpoint(OperatorRoutes.device) {
                try .json(try await service.device(try $0.parameter("device"), try $0.reach))
            },
            endpoint(OperatorRoutes.deviceHistory) {
                try .json(try await service.history(try $0.parameter("device"), $0))
            },
            write(OperatorRoutes.patchDevice) {
                let patch = try await $0.json(DevicePatch.self)
                return try .json(try await service.patch(try $0.parameter("device"), patch, by: try $0.caller))
            },
            write(OperatorRoutes.approveDevice) {
                let decision = try await $0.json(DeviceDecision.self)
                return try .json(try await service.approve(try $0.parameter("device"), decision, by: try $0.caller))
            },
            write(OperatorRoutes.rejectDevice) {
                let decision = try await $0.json(DeviceDecision.self)
                return try .json(try await service.reject(try $0.parameter("device"), decision, by: try $0.caller))
            },
            write(OperatorRoutes.revokeDevice) {
                let decision = try await $0.json(DeviceDecision.self)
                return try .json(try await service.revoke(try $0.parameter("device"), decision, by: try $0.caller))
            },
            write(OperatorRoutes.deleteDevice) {
                try await service.delete(try $0.parameter("device"), by: try $0.caller)
                return .noContent
            },
            endpoint(OperatorRoutes.fleets) {
                try .json(try OperatorService.page(try await service.fleets(try $0.reach), $0))
            },
            write(OperatorRoutes.putFleet) {
                let fleet = try await $0.json(Fleet.self)
                return try .json(try await service.put(fleet, named: try $0.parameter("fleet"), actor: $0.actor))
            },
            write(OperatorRoutes.deleteFleet) {
                try await service.deleteFleet(try $0.parameter("fleet"), actor: $0.actor)
                return .noContent
            },
        ]
    }

    private func administration() -> [Endpoint] {
        let service = service
        return [
            endpoint(OperatorRoutes.telemetry) { try .json(try await service.telemetry($0)) },
            endpoint(OperatorRoutes.audit) { try .json(try await service.audit($0)) },
            endpoint(OperatorRoutes.auditCheckpoint) { _ in
                StoredAnswer(status: 200, mediaType: "application/json", body: try await service.auditCheckpoint())
            },
            endpoint(OperatorRoutes.auditProof) { try .json(try await service.auditProof($0)) },
            endpoint(OperatorRoutes.tokens) { try .json(try OperatorService.page(try await service.tokens(), $0)) },
            // Answers with a secret in them are kept nowhere, so these two have no idempotency key.
            endpoint(OperatorRoutes.createToken) {
                let request = try await $0.json(TokenRequest.self)
                return try .json(try await service.createToken(request, actor: $0.actor), status: 201)
            },
            write(OperatorRoutes.deleteToken) {
                try await service.deleteToken($0.text("token"), actor: $0.actor)
                return .noContent
            },
            endpoint(OperatorRoutes.createJoinToken) {
                let request = try await $0.json(JoinTokenRequest.self)
                return try .json(try await service.createJoinToken(request, actor: $0.actor), status: 201)
            },
            endpoint(OperatorRoutes.joinTokens) {
                try .json(try OperatorService.page(try await service.joinTokens(), $0))
            },
            write(OperatorRoutes.deleteJoinToken) {
                try await service.deleteJoinToken($0.text("token"), actor: $0.actor)
                return .noContent
            },
        ]
    }
}

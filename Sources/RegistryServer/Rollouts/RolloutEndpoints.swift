import HTTPTypes
import Hummingbird
import MartletAPI
import MartletTypes
import RegistryStore

/// Rollouts, what keeps them off devices, and their history, as a table of routes.
struct RolloutEndpoints {
    let service: OperatorService
    let idempotency: Idempotency

    func all() -> [Endpoint] { rollouts() + exemptions() }

    private func endpoint(_ route: Route, _ handler: @escaping DocumentHandler) -> Endpoint {
        Endpoint(route: route, style: .api) { try await handler($0).response }
    }

    /// A write that may be repeated under an idempotency key.
    private func write(_ route: Route, _ handler: @escaping DocumentHandler) -> Endpoint {
        endpoint(route, idempotency.wrap(handler))
    }

    private func rollouts() -> [Endpoint] {
        let rollouts = service.rollouts
        return [
            endpoint(OperatorRoutes.rollouts) {
                try .json(
                    try await rollouts.rollouts(
                        before: try $0.query("cursor", as: RolloutID.self), limit: try OperatorService.pageLimit($0),
                        within: try $0.reach))
            },
            write(OperatorRoutes.startRollout) {
                let request = try await $0.json(RolloutRequest.self)
                return try .json(try await rollouts.start(request, by: $0.actor, within: try $0.reach), status: 201)
            },
            endpoint(OperatorRoutes.planRollout) {
                try .json(try await rollouts.plan(try await $0.json(RolloutRequest.self), within: try $0.reach))
            },
            endpoint(OperatorRoutes.rollout) {
                try .json(try await rollouts.rollout(try $0.parameter("rollout"), within: try $0.reach))
            },
            endpoint(OperatorRoutes.rolloutDevices) {
                try .json(
                    try await rollouts.devices(
                        of: try $0.parameter("rollout"), in: try Self.state($0),
                        after: try $0.number("cursor", in: 0...Int64.max), limit: try OperatorService.pageLimit($0),
                        within: try $0.reach))
            },
            endpoint(OperatorRoutes.explainRollout) {
                try .json(
                    try await rollouts.explain(
                        try $0.parameter("rollout"), try $0.query("device", as: DeviceID.self), within: try $0.reach))
            },
            write(OperatorRoutes.changeRollout) {
                guard let action = RolloutAction(rawValue: $0.text("action")) else {
                    throw ServerError.badRequest(
                        "There is no such action on a rollout.",
                        remedy: "Use \(RolloutAction.allCases.map(\.rawValue).joined(separator: ", ")).",
                        field: "action")
                }
                let change = try await Self.change($0)
                return try .json(
                    try await rollouts.change(
                        try $0.parameter("rollout"), action, change, by: $0.actor, within: try $0.reach))
            },
            write(OperatorRoutes.rollback) {
                let request = try await $0.json(RollbackRequest.self)
                return try .json(try await rollouts.rollback(request, by: $0.actor, within: try $0.reach))
            },
            endpoint(OperatorRoutes.rollbackProgress) {
                try .json(try await rollouts.rollback($0.text("rollback"), within: try $0.reach))
            },
        ]
    }

    private static func state(_ exchange: Exchange) throws -> DeviceRolloutState? {
        guard let text = try exchange.query("state"), !text.isEmpty else { return nil }
        guard let state = DeviceRolloutState(rawValue: text) else {
            throw ServerError.badRequest(
                "There is no such state of a device.",
                remedy: "Use \(DeviceRolloutState.allCases.map(\.rawValue).joined(separator: ", ")).", field: "state")
        }
        return state
    }

    /// Reason and devices may be left out, and the body with them.
    private static func change(_ exchange: Exchange) async throws -> RolloutChange {
        let body = try await exchange.body()
        guard !body.isEmpty else { return RolloutChange() }
        return try await exchange.replacingBody(with: body).json(RolloutChange.self)
    }

    private func exemptions() -> [Endpoint] {
        let service = service
        return [
            endpoint(OperatorRoutes.deviceMoves) { try .json(try await service.moves(try $0.parameter("device"), $0)) },
            write(OperatorRoutes.pinSlot) {
                let request = try await $0.json(ExemptionRequest.self)
                return try .json(
                    try await service.exempt(
                        try $0.parameter("device"), try $0.parameter("slot"), request, by: try $0.caller))
            },
            write(OperatorRoutes.unpinSlot) {
                try .json(
                    try await service.lift(try $0.parameter("device"), try $0.parameter("slot"), by: try $0.caller))
            },
            write(OperatorRoutes.holdDevice) {
                let request = try await $0.json(ExemptionRequest.self)
                return try .json(
                    try await service.exempt(try $0.parameter("device"), nil, request, by: try $0.caller))
            },
            write(OperatorRoutes.releaseDevice) {
                try .json(try await service.lift(try $0.parameter("device"), nil, by: try $0.caller))
            },
        ]
    }
}

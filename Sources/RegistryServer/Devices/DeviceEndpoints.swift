import HTTPTypes
import Hummingbird
import MartletAPI
import MartletTypes
import RegistryStore

/// The devices' API as a table.
struct DeviceEndpoints {
    let service: DeviceService
    let enrolments: RateLimit

    /// Every route of `DeviceRoutes`.
    func all() -> [Endpoint] {
        let (service, enrolments) = (service, enrolments)
        return [
            endpoint(DeviceRoutes.health) { _ in try .json(["status": "ok"]) },
            endpoint(DeviceRoutes.enrol) { exchange in
                try enrolments.spend(exchange.context.peerAddress)
                return try .json(try await service.enrol(try await exchange.json(EnrolRequest.self)), status: 201)
            },
            endpoint(DeviceRoutes.renewalNonce) { exchange in
                try enrolments.spend(exchange.context.peerAddress)
                return try .json(try await service.nonce())
            },
            endpoint(DeviceRoutes.renew) { exchange in
                try enrolments.spend(exchange.context.peerAddress)
                return try .json(try await service.renew(try await exchange.json(RenewRequest.self)))
            },
            endpoint(DeviceRoutes.inventory) { exchange in
                try await service.keep(try await exchange.json(Inventory.self), of: try exchange.device)
                return .noContent
            },
            Endpoint(route: DeviceRoutes.assignment, style: .api) { exchange in
                let poll = try DeviceService.Poll(exchange)
                let answer = try await service.assignment(poll, of: try exchange.device, exchange.context)
                let signed = answer.assignment.map {
                    StoredAnswer(status: 200, mediaType: "application/json", body: $0)
                }
                var response = (signed ?? .noContent).response
                response.headers[.martletTrust] = answer.trust.text
                return response
            },
            endpoint(DeviceRoutes.reports) { exchange in
                try .json(try await service.keep(try await exchange.json(ReportBatch.self), of: try exchange.device))
            },
            endpoint(DeviceRoutes.telemetry) { exchange in
                try await service.keepTelemetry(exchange)
                return try .json([String: String]())
            },
        ] + MetadataEndpoints(metadata: service.metadata).deviceEndpoints()
    }

    private func endpoint(_ route: Route, _ handler: @escaping DocumentHandler) -> Endpoint {
        Endpoint(route: route, style: .api) { try await handler($0).response }
    }
}

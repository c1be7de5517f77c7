import MartletAPI
import MartletTypes

/// The routes behind `martlet export` and `martlet import`.
struct OfflineEndpoints {
    let metadata: MetadataService

    func all() -> [Endpoint] {
        let metadata = metadata
        return [
            // Each call signs anew, so that neither has an idempotency key; an import that is repeated changes nothing.
            Endpoint(route: OperatorRoutes.signOffline, style: .api) { exchange in
                let request = try await exchange.json(OfflineRequest.self)
                return try .json(try await metadata.signOffline(request, actor: exchange.actor))
            },
            Endpoint(route: OperatorRoutes.importMetadata, style: .api) { exchange in
                let request = try await exchange.json(MetadataImport.self, limit: ServerLimits.importBytes)
                return try .json(try await metadata.take(request, actor: exchange.actor))
            },
        ]
    }
}

extension ServerLimits {
    /// Shortest and longest time that signatures for devices without a network may hold: with such a timestamp in hand
    /// an attacker can hide newer metadata from any device for that long.
    static let offlineSeconds: ClosedRange<Int64> = 3600...(90 * 86_400)
    /// Devices in one bundle: their assignments are held in memory.
    static let offlineDevices = 1000
    /// Metadata of one import: roots, targets, and the namespaces' roles of some hundred releases.
    static let importBytes = 4 * Limits.tufMetadataBytes
}

import MartletAPI
import MartletTypes
import Trust

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
    static let offlineSeconds: ClosedRange<Int64> = 3600...MetadataHorizon.offlineLife.components.seconds
    /// Versions of snapshot and timestamp that an import leaves free above those of the other registry, which goes on
    /// signing after the bundle was made: more than a year of two timestamps a day.
    static let importVersionGap: Int64 = 1000
    /// Metadata of one import: roots, targets, and the namespaces' roles of some hundred releases.
    static let importBytes = 4 * Limits.tufMetadataBytes
}

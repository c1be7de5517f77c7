internal import AgentStore
internal import TUF

/// The metadata on this device as a repository: what a client sees that has no network.
struct CachedMetadata: MetadataFetcher {
    let store: any MetadataStore

    func fetch(_ path: String, limit: Int) async throws -> [UInt8]? {
        // Only the timestamp is asked for by its own name; newer roots than the stored one are not there.
        guard path == MetadataPath.file(TimestampMetadata.type) else { return nil }
        return try store.load(TimestampMetadata.type)
    }
}

/// A view of the device's metadata that cannot change it, so that a look does not race with a refresh.
struct ReadOnlyMetadataStore: MetadataStore {
    let base: any MetadataStore

    func load(_ role: String) throws -> [UInt8]? { try base.load(role) }
    func save(_ role: String, _ bytes: [UInt8]) {}
    func remove(_ role: String) {}
}

/// The device's metadata, which is followed in memory while the disk takes no writes: nothing is installed meanwhile,
/// so
/// that a restart begins again at what the disk has harms nothing, and the first refresh after it is back is kept.
struct SuspendableMetadataStore: MetadataStore {
    let base: any MetadataStore
    let health: StoreHealth

    func load(_ role: String) throws -> [UInt8]? { try base.load(role) }

    func save(_ role: String, _ bytes: [UInt8]) throws {
        if !health.isSuspended { try base.save(role, bytes) }
    }

    func remove(_ role: String) throws {
        if !health.isSuspended { try base.remove(role) }
    }
}

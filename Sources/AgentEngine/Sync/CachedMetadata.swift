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

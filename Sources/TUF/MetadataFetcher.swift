/// Where metadata comes from: a registry, an offline bundle, a test.
package protocol MetadataFetcher: Sendable {
    /// The bytes of one file, e.g. `3.root.json`; nil where the repository does not have it.
    ///
    /// `path` is percent-encoded and one segment. Reading must stop beyond `limit` bytes (endless data); whatever is
    /// returned is checked again. Throws where the way to the repository failed.
    func fetch(_ path: String, limit: Int) async throws -> [UInt8]?
}

/// Metadata that came as files, e.g. in an offline bundle: a repository in memory.
package struct MetadataFiles: MetadataFetcher {
    private let files: [String: [UInt8]]

    /// `files` by the names under which they are fetched, e.g. `3.clinic.json`.
    package init(_ files: [String: [UInt8]]) { self.files = files }

    package func fetch(_ path: String, limit: Int) async throws -> [UInt8]? { files[path] }
}

package import MartletTypes

/// Timestamp: which snapshot is current. Source: TUF 1.0 section 4.6.
package struct TimestampMetadata: RoleMetadata {
    package static let type = TopLevelRole.timestamp.rawValue
    package var version: Int
    package var expires: Timestamp
    /// The current snapshot.
    package var snapshot: MetadataFileInfo
    private let unrecognized: [String: JSONValue]

    package init(version: Int, expires: Timestamp, snapshot: MetadataFileInfo) {
        self.version = version
        self.expires = expires
        self.snapshot = snapshot
        unrecognized = [:]
    }

    package init(json: JSONValue) throws(TUFError) {
        var reader = try MetadataReader(json, type: Self.type)
        version = try reader.version()
        expires = try reader.time("expires")
        let meta = try reader.object("meta")
        guard let info = meta[SnapshotMetadata.file] else { throw reader.malformed("meta lacks snapshot.json") }
        snapshot = try MetadataFileInfo(json: info, role: Self.type, file: SnapshotMetadata.file)
        unrecognized = reader.members
    }

    package var json: JSONValue {
        var members = commonFields(unrecognized)
        members["meta"] = .object([SnapshotMetadata.file: snapshot.json])
        return .object(members)
    }
}

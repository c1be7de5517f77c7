package import MartletTypes

/// Snapshot: the version of every targets file, so that they cannot be mixed. Source: TUF 1.0 section 4.4.
package struct SnapshotMetadata: RoleMetadata {
    package static let type = TopLevelRole.snapshot.rawValue
    static let file = "snapshot.json"
    package var version: Int
    package var expires: Timestamp
    /// Targets and delegated roles, by role name (without `.json`).
    package var roles: [String: MetadataFileInfo]
    private let unrecognized: [String: JSONValue]

    package init(version: Int, expires: Timestamp, roles: [String: MetadataFileInfo]) {
        self.version = version
        self.expires = expires
        self.roles = roles
        unrecognized = [:]
    }

    package init(json: JSONValue) throws(TUFError) {
        var reader = try MetadataReader(json, type: Self.type)
        version = try reader.version()
        expires = try reader.time("expires")
        var roles: [String: MetadataFileInfo] = [:]
        for (file, value) in try reader.object("meta") {
            guard file.hasSuffix(".json") else { throw reader.malformed("meta names a file without .json") }
            roles[String(file.dropLast(5))] = try MetadataFileInfo(json: value, role: Self.type, file: file)
        }
        self.roles = roles
        unrecognized = reader.members
    }

    package var json: JSONValue {
        var members = commonFields(unrecognized)
        members["meta"] = .object(
            Dictionary(uniqueKeysWithValues: roles.map { ($0.key + ".json", $0.value.json) }))
        return .object(members)
    }
}

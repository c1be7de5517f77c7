package import MartletTypes

/// Targets, top-level or delegated: files, and who may name further ones. Source: TUF 1.0 section 4.5.
package struct TargetsMetadata: RoleMetadata {
    package static let type = TopLevelRole.targets.rawValue
    package var version: Int
    package var expires: Timestamp
    /// Targets by path.
    package var targets: [String: TargetFile]
    /// Roles that this one delegates to; nil delegates to none.
    package var delegations: Delegations?
    private let unrecognized: [String: JSONValue]

    package init(
        version: Int = 1, expires: Timestamp, targets: [String: TargetFile] = [:], delegations: Delegations? = nil
    ) {
        self.version = version
        self.expires = expires
        self.targets = targets
        self.delegations = delegations
        unrecognized = [:]
    }

    package init(json: JSONValue) throws(TUFError) {
        var reader = try MetadataReader(json, type: Self.type)
        version = try reader.version()
        expires = try reader.time("expires")
        var targets: [String: TargetFile] = [:]
        for (path, value) in try reader.object("targets") {
            targets[path] = try TargetFile(json: value, role: Self.type, path: path)
        }
        self.targets = targets
        var rest = reader.members
        delegations = try rest.removeValue(forKey: "delegations").map { (value) throws(TUFError) in
            try Delegations(json: value)
        }
        unrecognized = rest
    }

    package var json: JSONValue {
        var members = commonFields(unrecognized)
        members["targets"] = .object(targets.mapValues(\.json))
        if let delegations { members["delegations"] = delegations.json }
        return .object(members)
    }

    /// The same with one target added or replaced.
    package func adding(_ path: String, _ file: TargetFile) -> TargetsMetadata {
        var copy = self
        copy.targets[path] = file
        return copy
    }

    /// The same without a target.
    package func removing(_ path: String) -> TargetsMetadata {
        var copy = self
        copy.targets[path] = nil
        return copy
    }

    /// The same as the next version with a new expiry.
    package func next(expires: Timestamp) -> TargetsMetadata {
        var copy = self
        copy.version += 1
        copy.expires = expires
        return copy
    }
}

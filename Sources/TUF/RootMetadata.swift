package import MartletTypes

/// The names of the four standard roles.
package enum TopLevelRole: String, Sendable, CaseIterable {
    case root, timestamp, snapshot, targets
}

/// Root: the keys of the four standard roles. Source: TUF 1.0 section 4.3.
package struct RootMetadata: RoleMetadata {
    package static let type = TopLevelRole.root.rawValue
    package var version: Int
    package var expires: Timestamp
    /// Whether files are requested by version, so that a client sees one state of the repository.
    package var consistentSnapshot: Bool
    /// All keys by identifier.
    package var keys: [String: PublicKey]
    /// Who signs each standard role; always all four.
    package var roles: [TopLevelRole: RoleKeys]
    private let otherRoles: [String: JSONValue]
    private let unrecognized: [String: JSONValue]

    /// A root of these roles. Throws `malformed` where a role has no keys or a threshold that its keys cannot reach.
    package static func new(
        version: Int = 1, expires: Timestamp, consistentSnapshot: Bool = true,
        roles: [TopLevelRole: (keys: [PublicKey], threshold: Int)]
    ) throws(TUFError) -> RootMetadata {
        var keys: [String: PublicKey] = [:]
        var named: [TopLevelRole: RoleKeys] = [:]
        for role in TopLevelRole.allCases {
            guard let (members, threshold) = roles[role], threshold >= 1,
                Set(members.map(\.keyID)).count >= threshold
            else {
                throw TUFError(
                    .malformed, role: type, "Role \(role.rawValue) needs as many distinct keys as its threshold.")
            }
            for key in members { keys[key.keyID] = key }
            named[role] = RoleKeys(keyIDs: Set(members.map(\.keyID)).sorted(), threshold: threshold)
        }
        return RootMetadata(
            version: version, expires: expires, consistentSnapshot: consistentSnapshot, keys: keys, roles: named,
            otherRoles: [:], unrecognized: [:])
    }

    private init(
        version: Int, expires: Timestamp, consistentSnapshot: Bool, keys: [String: PublicKey],
        roles: [TopLevelRole: RoleKeys], otherRoles: [String: JSONValue], unrecognized: [String: JSONValue]
    ) {
        self.version = version
        self.expires = expires
        self.consistentSnapshot = consistentSnapshot
        self.keys = keys
        self.roles = roles
        self.otherRoles = otherRoles
        self.unrecognized = unrecognized
    }

    package init(json: JSONValue) throws(TUFError) {
        var reader = try MetadataReader(json, type: Self.type)
        version = try reader.version()
        expires = try reader.time("expires")
        consistentSnapshot = try reader.bool("consistent_snapshot") ?? false
        keys = try reader.keys()
        var others = try reader.object("roles")
        var named: [TopLevelRole: RoleKeys] = [:]
        for role in TopLevelRole.allCases {
            guard let value = others.removeValue(forKey: role.rawValue) else {
                throw reader.malformed("roles lacks \(role.rawValue)")
            }
            var roleReader = try MetadataReader(object: value, role: Self.type, what: role.rawValue)
            named[role] = try roleReader.roleKeys()
        }
        roles = named
        otherRoles = others
        unrecognized = reader.members
    }

    package var json: JSONValue {
        var members = commonFields(unrecognized)
        members["consistent_snapshot"] = .bool(consistentSnapshot)
        members["keys"] = .object(keys.mapValues(\.json))
        var written = otherRoles
        for (role, roleKeys) in roles { written[role.rawValue] = .object(roleKeys.fields) }
        members["roles"] = .object(written)
        return .object(members)
    }

    /// The keys and threshold of a standard role.
    package func verifier(for role: TopLevelRole) -> RoleVerifier {
        roles[role]?.verifier(among: keys) ?? RoleVerifier(keys: [:], threshold: 1)
    }

    /// The next version with other keys for the given roles; keys that no role uses any more are dropped.
    package func next(
        expires: Timestamp, replacing changes: [TopLevelRole: (keys: [PublicKey], threshold: Int)] = [:]
    ) throws(TUFError) -> RootMetadata {
        var all: [TopLevelRole: (keys: [PublicKey], threshold: Int)] = [:]
        for role in TopLevelRole.allCases {
            let current = verifier(for: role)
            all[role] = changes[role] ?? (Array(current.keys.values), current.threshold)
        }
        let fresh = try Self.new(
            version: version + 1, expires: expires, consistentSnapshot: consistentSnapshot, roles: all)
        return RootMetadata(
            version: fresh.version, expires: fresh.expires, consistentSnapshot: fresh.consistentSnapshot,
            keys: fresh.keys, roles: fresh.roles, otherRoles: otherRoles, unrecognized: unrecognized)
    }

    /// Whether a key that `earlier` trusted for the role is gone: then what that role said before is forgotten.
    func hasRotated(_ role: TopLevelRole, since earlier: RootMetadata) -> Bool {
        let now = Set(verifier(for: role).keys.values.map(\.identity))
        return !earlier.verifier(for: role).keys.values.allSatisfy { now.contains($0.identity) }
    }
}

internal import MartletTypes

/// A role that a targets role trusts for some paths.
package struct DelegatedRole: Sendable, Hashable {
    /// Which target paths the delegation covers.
    package enum Paths: Sendable, Hashable {
        /// Shell-style patterns, component by component: `*` does not cross `/`.
        case patterns([String])
        /// Prefixes of the hexadecimal SHA-256 of the target path.
        case hashPrefixes([String])
    }

    /// The role's name, unique among its siblings. May be any text: it is never a path before it was encoded.
    package var name: String
    /// Who signs it.
    package var keys: RoleKeys
    /// The paths it covers.
    package var paths: Paths
    /// Whether the search ends here for a covered path, found or not.
    package var terminating: Bool
    private let unrecognized: [String: JSONValue]

    package init(name: String, keys: RoleKeys, paths: Paths, terminating: Bool) {
        self.name = name
        self.keys = keys
        self.paths = paths
        self.terminating = terminating
        unrecognized = [:]
    }

    init(json: JSONValue) throws(TUFError) {
        var reader = try MetadataReader(object: json, role: TargetsMetadata.type, what: "a delegated role")
        name = try reader.string("name")
        guard !name.isEmpty, !Self.reservedNames.contains(name) else {
            throw reader.malformed("a delegated role has no name or a reserved one")
        }
        keys = try reader.roleKeys()
        guard let terminating = try reader.bool("terminating") else { throw reader.malformed("terminating is absent") }
        self.terminating = terminating
        switch (reader.members["paths"], reader.members["path_hash_prefixes"]) {
        case (.some, .none): paths = .patterns(try reader.strings("paths"))
        case (.none, .some): paths = .hashPrefixes(try reader.strings("path_hash_prefixes"))
        default: throw reader.malformed("role \(name) needs either paths or path_hash_prefixes")
        }
        unrecognized = reader.members
    }

    var json: JSONValue {
        var members = unrecognized.merging(keys.fields) { $1 }
        members["name"] = .string(name)
        members["terminating"] = .bool(terminating)
        switch paths {
        case .patterns(let patterns): members["paths"] = .array(patterns.map(JSONValue.string))
        case .hashPrefixes(let prefixes): members["path_hash_prefixes"] = .array(prefixes.map(JSONValue.string))
        }
        return .object(members)
    }

    /// Whether the delegation covers a target path.
    package func covers(_ path: String) -> Bool {
        switch paths {
        case .patterns(let patterns):
            return patterns.contains { PathPattern.matches(path, $0) }
        case .hashPrefixes(let prefixes):
            let hex = Digest.of(Array(path.utf8)).hex
            return prefixes.contains { hex.hasPrefix($0) }
        }
    }

    /// Names that a delegated role cannot have: the standard roles, and the client's own record of a root to come.
    static let reservedNames = Set(TopLevelRole.allCases.map(\.rawValue) + [TUFRecord.nextRoot])
}

/// Names under which the client keeps what is not a role.
enum TUFRecord {
    /// A verified root whose adoption has begun, see `RootAdoption`.
    static let nextRoot = "root.next"
}

/// Whom a targets role trusts: named roles in order of trust, or hash bins that share keys, never both.
package struct Delegations: Sendable, Hashable {
    /// The two ways to delegate.
    package enum Roles: Sendable, Hashable {
        /// Named roles, most trusted first.
        case named([DelegatedRole])
        /// Hash bins.
        case succinct(SuccinctRoles)
    }

    /// The keys of all roles, by identifier.
    package var keys: [String: PublicKey]
    /// The roles.
    package var roles: Roles
    private let unrecognized: [String: JSONValue]

    package init(keys: [String: PublicKey], roles: Roles) {
        self.keys = keys
        self.roles = roles
        unrecognized = [:]
    }

    init(json: JSONValue) throws(TUFError) {
        var reader = try MetadataReader(object: json, role: TargetsMetadata.type, what: "delegations")
        keys = try reader.keys()
        switch (reader.members["roles"], reader.members["succinct_roles"]) {
        case (.some, .none):
            var named: [DelegatedRole] = []
            var seen = Set<String>()
            for value in try reader.array("roles") {
                let role = try DelegatedRole(json: value)
                guard seen.insert(role.name).inserted else { throw reader.malformed("role \(role.name) stands twice") }
                named.append(role)
            }
            roles = .named(named)
        case (.none, .some):
            roles = .succinct(try SuccinctRoles(json: .object(try reader.object("succinct_roles"))))
        default:
            throw reader.malformed("delegations need either roles or succinct_roles")
        }
        unrecognized = reader.members
    }

    var json: JSONValue {
        var members = unrecognized
        members["keys"] = .object(keys.mapValues(\.json))
        switch roles {
        case .named(let named): members["roles"] = .array(named.map(\.json))
        case .succinct(let succinct): members["succinct_roles"] = succinct.json
        }
        return .object(members)
    }

    /// The keys and threshold of a delegated role; nil where it is not delegated to here.
    package func verifier(for role: String) -> RoleVerifier? {
        switch roles {
        case .named(let named):
            named.first { $0.name == role }?.keys.verifier(among: keys)
        case .succinct(let succinct):
            succinct.contains(role) ? succinct.keys.verifier(among: keys) : nil
        }
    }

    /// The roles to ask for a path, most trusted first; the search goes no further after a terminating one.
    package func roles(covering path: String) -> [(name: String, terminating: Bool)] {
        switch roles {
        case .named(let named): named.filter { $0.covers(path) }.map { ($0.name, $0.terminating) }
        case .succinct(let succinct): [(succinct.role(forTarget: path), true)]
        }
    }
}

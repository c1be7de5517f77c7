package import MartletTypes

/// How a namespace lies in the delegations (DESIGN section 4).
///
/// Top-level `targets` delegates `clinic/…` to the role `clinic`, terminating; `clinic` delegates to hash bins
/// `clinic-bin-00` … `clinic-bin-7f` of the same keys and threshold; the bins hold the releases, `clinic/triage/1.2.0`.
package struct NamespaceLayout: Sendable, Hashable {
    /// The namespace, e.g. `clinic`; also the name of its role.
    package let namespace: String
    /// The namespace has 2^bitLength bins.
    package let bitLength: Int
    /// 128 bins: at 100,000 releases a bin is about 110 KB and snapshot's part 6 KB, so that a refresh stays well under
    /// 256 KiB; a new namespace is 129 small files. See docs/decisions/0007-hash-bins.md.
    package static let defaultBitLength = 7
    /// 4096 bins: snapshot names each of them, and stays under half a megabyte.
    package static let maxBitLength = 12
    /// Components of a release path that the delegation covers, because `*` does not cross `/`.
    package static let depths = 3...6

    /// Throws `invalidName` for a standard role's name and for names that could be another namespace's bin.
    package init(_ namespace: String, bitLength: Int = defaultBitLength) throws(TUFError) {
        let isComponent = (try? RepositoryName(namespace + "/x"))?.namespace == namespace
        guard isComponent, namespace.utf8.count <= Limits.nameBytes else {
            throw TUFError(.invalidName, role: namespace, "The namespace is not a component of a repository name.")
        }
        guard !DelegatedRole.reservedNames.contains(namespace), !Self.looksLikeBin(namespace) else {
            throw TUFError(.invalidName, role: namespace, "The namespace \(namespace) is the name of another role.")
        }
        guard (1...Self.maxBitLength).contains(bitLength) else {
            throw TUFError(.invalidName, role: namespace, "A namespace has 2^1 to 2^\(Self.maxBitLength) bins.")
        }
        self.namespace = namespace
        self.bitLength = bitLength
    }

    /// The layout that a namespace has, from the verified metadata of its role; throws `malformed` where that has no
    /// bins.
    package init(_ namespace: String, of role: TargetsMetadata) throws(TUFError) {
        guard case .succinct(let bins) = role.delegations?.roles else {
            throw TUFError(.malformed, role: namespace, "\(namespace) does not delegate to hash bins.")
        }
        try self.init(namespace, bitLength: bins.bitLength)
    }

    private static func looksLikeBin(_ name: String) -> Bool {
        let parts = name.split(separator: "-", omittingEmptySubsequences: false)
        return parts.count >= 2 && parts[parts.count - 2] == "bin"
            && parts[parts.count - 1].allSatisfy(\.isHexDigit)
    }

    /// What every bin's name begins with.
    package var binPrefix: String { namespace + "-bin" }

    /// The patterns of the delegation: `clinic/*/*` and deeper.
    package var patterns: [String] {
        Self.depths.map { depth in namespace + String(repeating: "/*", count: depth - 1) }
    }

    /// The top-level targets with this namespace delegated to these keys; a former delegation of it is replaced in
    /// its place.
    package func delegated(
        in targets: TargetsMetadata, keys: [PublicKey], threshold: Int
    ) throws(TUFError) -> TargetsMetadata {
        let roleKeys = try Self.roleKeys(keys, threshold, role: namespace)
        let role = DelegatedRole(name: namespace, keys: roleKeys, paths: .patterns(patterns), terminating: true)
        var table = targets.delegations?.keys ?? [:]
        for key in keys { table[key.keyID] = key }
        var roles: [DelegatedRole] = []
        switch targets.delegations?.roles {
        case .named(let named): roles = named
        case .succinct:
            throw TUFError(.malformed, role: TargetsMetadata.type, "Top-level targets delegates to hash bins already.")
        case nil: break
        }
        if let index = roles.firstIndex(where: { $0.name == namespace }) {
            roles[index] = role
        } else {
            roles.append(role)
        }
        let used = Set(roles.flatMap(\.keys.keyIDs))
        var copy = targets
        copy.delegations = Delegations(keys: table.filter { used.contains($0.key) }, roles: .named(roles))
        return copy
    }

    /// The top-level targets without the delegation of this namespace; nil where there is none.
    package func removed(from targets: TargetsMetadata) -> TargetsMetadata? {
        guard let delegations = targets.delegations, case .named(let roles) = delegations.roles,
            roles.contains(where: { $0.name == namespace })
        else { return nil }
        let left = roles.filter { $0.name != namespace }
        let used = Set(left.flatMap(\.keys.keyIDs))
        var copy = targets
        copy.delegations = Delegations(keys: delegations.keys.filter { used.contains($0.key) }, roles: .named(left))
        return copy
    }

    /// The namespace's own role: no targets, only the bins.
    package func namespaceRole(
        version: Int = 1, keys: [PublicKey], threshold: Int, now: Timestamp
    ) throws(TUFError) -> TargetsMetadata {
        let roleKeys = try Self.roleKeys(keys, threshold, role: namespace)
        let bins = try SuccinctRoles(
            bitLength: bitLength, namePrefix: binPrefix, keyIDs: roleKeys.keyIDs, threshold: threshold)
        let table = Dictionary(keys.map { ($0.keyID, $0) }) { first, _ in first }
        return TargetsMetadata(
            version: version, expires: now + MetadataLifetime.namespace,
            delegations: Delegations(keys: table, roles: .succinct(bins)))
    }

    /// The names of all bins.
    package var bins: [String] {
        (0..<(1 << bitLength)).map { SuccinctRoles.name(ofBin: $0, prefix: binPrefix, bitLength: bitLength) }
    }

    /// The bin that a release falls into.
    package func bin(for path: String) throws(TUFError) -> String {
        try SuccinctRoles(bitLength: bitLength, namePrefix: binPrefix, keyIDs: [], threshold: 1)
            .role(forTarget: path)
    }

    /// The first metadata of a namespace, signed: its role and all its bins, empty. By role name.
    package func make(
        keys: [PublicKey], threshold: Int, signers: [any Signer], now: Timestamp
    ) throws -> [String: SignedEnvelope] {
        var files: [String: SignedEnvelope] = [:]
        files[namespace] = try SignedEnvelope.sign(
            try namespaceRole(keys: keys, threshold: threshold, now: now).json, by: signers)
        let empty = TargetsMetadata(expires: now + MetadataLifetime.namespace).json
        for bin in bins { files[bin] = try SignedEnvelope.sign(empty, by: signers) }
        return files
    }

    private static func roleKeys(_ keys: [PublicKey], _ threshold: Int, role: String) throws(TUFError) -> RoleKeys {
        let keyIDs = Set(keys.map(\.keyID)).sorted()
        guard threshold >= 1, keyIDs.count >= threshold else {
            throw TUFError(.malformed, role: role, "Role \(role) needs as many distinct keys as its threshold.")
        }
        return RoleKeys(keyIDs: keyIDs, threshold: threshold)
    }
}

internal import MartletTypes

/// Who may sign what: root, top-level targets, and the role of each namespace, without the bins below them.
///
/// Holds what is said, not that it is signed: whoever makes one has verified the documents, or verifies a change by
/// `verifiers(for:after:)`.
package struct DelegationTree: Sendable {
    /// The keys of the standard roles.
    package var root: RootMetadata
    /// The delegations to namespaces.
    package var targets: TargetsMetadata
    /// Roles of namespaces by name, with their delegations to hash bins.
    package var namespaces: [String: TargetsMetadata]

    package init(root: RootMetadata, targets: TargetsMetadata, namespaces: [String: TargetsMetadata]) {
        self.root = root
        self.targets = targets
        self.namespaces = namespaces
    }

    /// The namespaces that targets delegates to.
    package var namespaceNames: [String] {
        guard case .named(let roles)? = targets.delegations?.roles else { return [] }
        return roles.map(\.name)
    }

    /// The namespace that a role belongs to, being its own role or one of its bins; nil for standard and unknown roles.
    package func namespace(of role: String) -> String? {
        if targets.delegations?.verifier(for: role) != nil { return role }
        return namespaceNames.first { namespaces[$0]?.delegations?.verifier(for: role) != nil }
    }

    /// The delegations in which a role stands: those of targets for a namespace, those of the namespace for a bin.
    package func delegations(naming role: String) -> Delegations? {
        guard let namespace = namespace(of: role) else { return nil }
        return namespace == role ? targets.delegations : namespaces[namespace]?.delegations
    }

    /// Whose signatures devices want on a role; nil where nobody delegates to it.
    package func verifier(for role: String) -> RoleVerifier? {
        if let standard = TopLevelRole(rawValue: role) { return root.verifier(for: standard) }
        return delegations(naming: role)?.verifier(for: role)
    }

    /// Whose signatures a new version of a role needs, where `self` is what stands after it and `former` what stood
    /// before: for root the keys of both, for all else those of its new delegator. Source: TUF 1.0 section 5.3.4.
    package func verifiers(for role: String, after former: DelegationTree) -> [RoleVerifier] {
        guard let verifier = verifier(for: role) else { return [] }
        guard role == RootMetadata.type else { return [verifier] }
        let earlier = former.root.verifier(for: .root)
        return earlier == verifier ? [verifier] : [earlier, verifier]
    }

    /// What stands after a change, by what its documents say; signatures are not looked at. Throws `malformed`.
    package func applying(_ roles: [String: SignedEnvelope]) throws(TUFError) -> DelegationTree {
        var next = self
        if let root = roles[RootMetadata.type] { next.root = try RootMetadata(json: root.signed) }
        if let targets = roles[TargetsMetadata.type] { next.targets = try TargetsMetadata(json: targets.signed) }
        for name in next.namespaceNames {
            if let role = roles[name] { next.namespaces[name] = try TargetsMetadata(json: role.signed) }
        }
        return next
    }
}

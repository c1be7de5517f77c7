internal import MartletTypes
internal import TUF
internal import Trust

/// What a change does, in lines for the person who shall sign it: by what this machine has verified, not by what a note
/// says.
package struct ChangeSummary: Sendable {
    /// One sentence each.
    package private(set) var lines: [String] = []
    /// Releases that it publishes, as paths.
    package private(set) var published: [String] = []
    /// Releases that it withdraws, as paths.
    package private(set) var withdrawn: [String] = []
    /// Whether it does anything beside publishing and withdrawing.
    package private(set) var changesMore = false

    package init(_ draft: ChangeDraft) throws {
        let (former, next) = (draft.former, try draft.next)
        for (role, envelope) in draft.roles.sorted(by: { $0.key < $1.key }) {
            switch TopLevelRole(rawValue: role) {
            case .root:
                for standard in TopLevelRole.allCases {
                    keys(of: standard.rawValue, former.root.verifier(for: standard), next.root.verifier(for: standard))
                }
                if former.root.consistentSnapshot != next.root.consistentSnapshot {
                    more("root changes how files are named")
                }
                ends("root", next.root.expires)
            case .targets:
                for name in Set(former.namespaceNames).subtracting(next.namespaceNames).sorted() {
                    more("the namespace \(name) is removed: devices install nothing of it any more")
                }
                for name in next.namespaceNames.sorted() {
                    if let before = paths(of: name, former.targets), before != paths(of: name, next.targets) {
                        more("\(name) may sign for other paths from now on")
                    }
                    keys(of: name, former.verifier(for: name), next.verifier(for: name))
                }
                try files(of: role, former.targets, next.targets)
                ends(role, next.targets.expires)
            case .snapshot, .timestamp: more("\(role), which the registry should sign by itself")
            case nil:
                let metadata = try TargetsMetadata(json: envelope.signed)
                let isNamespace = next.namespace(of: role) == role
                let standing = isNamespace ? former.namespaces[role] : draft.bins[role]
                let before = draft.unverified.contains(role) ? nil : standing
                if isNamespace {
                    bins(of: role, before, metadata)
                } else if metadata.delegations != nil {
                    more("\(role) delegates to others")
                }
                try files(of: role, before, metadata)
                ends(role, metadata.expires)
            }
        }
        if let bytes = draft.trustDocument { try document(bytes) }
        for namespace in draft.suspends {
            more("\(namespace) may be left without valid signatures: devices install nothing of it until it is signed")
        }
        lines += publishedLines
    }

    private var publishedLines: [String] {
        published.map { "publishes \($0)" } + withdrawn.map { "withdraws \($0)" }
    }

    private mutating func more(_ line: String) {
        changesMore = true
        lines.append(line)
    }

    private mutating func ends(_ role: String, _ end: Timestamp) { lines.append("\(role) ends at \(end)") }

    private mutating func keys(of role: String, _ before: RoleVerifier?, _ after: RoleVerifier?) {
        for keyID in Set(after?.keys.keys.map(\.self) ?? []).subtracting(before?.keys.keys.map(\.self) ?? []).sorted() {
            more("\(role) may be signed by key \(keyID.prefix(12)) from now on")
        }
        for keyID in Set(before?.keys.keys.map(\.self) ?? []).subtracting(after?.keys.keys.map(\.self) ?? []).sorted() {
            more("\(role) may not be signed by key \(keyID.prefix(12)) any more")
        }
        if before?.threshold != after?.threshold {
            let (from, to) = (before?.threshold ?? 0, after?.threshold ?? 0)
            more("\(role) needs \(to) signatures (before: \(from))")
        }
    }

    /// What a namespace is trusted for, as it stands in the document.
    private func paths(of namespace: String, _ targets: TargetsMetadata) -> DelegatedRole.Paths? {
        guard case .named(let roles)? = targets.delegations?.roles else { return nil }
        return roles.first { $0.name == namespace }?.paths
    }

    private mutating func bins(of namespace: String, _ before: TargetsMetadata?, _ after: TargetsMetadata) {
        guard case .succinct(let bins)? = after.delegations?.roles else {
            return more("\(namespace) delegates to others than its hash bins")
        }
        guard let first = (0..<1).map({ bins.name(ofBin: $0) }).first else { return }
        keys(
            of: "\(namespace)'s bins", before?.delegations?.verifier(for: first),
            after.delegations?.verifier(for: first))
    }

    private mutating func files(of role: String, _ before: TargetsMetadata?, _ after: TargetsMetadata) throws {
        let old = before?.targets ?? [:]
        for (path, file) in after.targets.sorted(by: { $0.key < $1.key }) {
            if path == TrustDocument.path {
                if old[path] != file { more("devices shall follow another \(path)") }
            } else if let known = old[path] {
                guard known != file else { continue }
                let isSame = known.length == file.length && known.hashes == file.hashes
                more(isSame ? "says something else of \(path)" : "replaces the content of \(path)")
            } else {
                published.append(path)
            }
        }
        for path in old.keys.sorted() where after.targets[path] == nil {
            if path == TrustDocument.path { more("devices shall follow no \(path)") } else { withdrawn.append(path) }
        }
    }

    private mutating func document(_ bytes: [UInt8]) throws {
        let document = try TrustDocument(parsing: bytes)
        let keys = document.directorKeys.keys.sorted().map { String($0.prefix(12)) }.joined(separator: ", ")
        lines.append("director: \(document.directorThreshold) of \(keys)")
        for authority in document.certificateAuthorities {
            lines.append("authority: \(try CertificateFacts(Array(authority.utf8)).sha256Fingerprint.prefix(12))")
        }
        lines.append("addresses: \(document.addresses.joined(separator: ", "))")
        if !document.blobOrigins.isEmpty { lines.append("blobs from: \(document.blobOrigins.joined(separator: ", "))") }
    }
}

import MartletTypes
import TUF

/// A repository in memory: typed metadata that a test edits, and the signed files that clients fetch.
///
/// Attacks replace files, or edit metadata and publish it with whatever signers they have.
/// `@unchecked Sendable`: a test changes it only while no client call runs.
final class RepositorySimulator: MetadataFetcher, @unchecked Sendable {
    static let start = Timestamp(seconds: 1_800_000_000)
    static let yearLater = start + .seconds(365 * 86_400)

    var root: RootMetadata
    var timestamp: TimestampMetadata
    var snapshot: SnapshotMetadata
    var targets: [String: TargetsMetadata]
    /// Who signs what; delegated roles by their names.
    var signers: [String: [TestSigner]] = [:]
    /// Whether snapshot and timestamp promise length and hash.
    var promisesHashes = false
    /// What is served, by path.
    var files: [String: [UInt8]] = [:]
    /// What was asked for.
    private(set) var requests: [String] = []

    init(consistentSnapshot: Bool = true) throws {
        for role in TopLevelRole.allCases { signers[role.rawValue] = [try TestSigner()] }
        let all = signers
        func keys(_ role: TopLevelRole) -> (keys: [PublicKey], threshold: Int) {
            (all[role.rawValue, default: []].map(\.publicKey), 1)
        }
        root = try RootMetadata.new(
            expires: Self.yearLater, consistentSnapshot: consistentSnapshot,
            roles: [
                .root: keys(.root), .timestamp: keys(.timestamp), .snapshot: keys(.snapshot), .targets: keys(.targets),
            ])
        targets = ["targets": TargetsMetadata(expires: Self.yearLater)]
        snapshot = SnapshotMetadata(version: 1, expires: Self.yearLater, roles: [:])
        timestamp = TimestampMetadata(version: 1, expires: Self.yearLater, snapshot: MetadataFileInfo(version: 1))
        try publishRoot()
        try publishTargets("targets")
        try publishSnapshot()
        try publishTimestamp()
    }

    func fetch(_ path: String, limit: Int) async throws -> [UInt8]? {
        requests.append(path)
        return files[path]
    }

    func forgetRequests() { requests = [] }

    /// The first root, which clients are born with.
    var firstRoot: [UInt8] { files["1.root.json"] ?? [] }

    func client(
        store: any MetadataStore = InMemoryMetadataStore(), limits: TUFClientLimits = TUFClientLimits()
    ) throws -> TUFClient {
        try TUFClient(trustedRoot: firstRoot, fetcher: self, store: store, limits: limits)
    }

    // MARK: Publishing what stands in the typed metadata

    func signed(_ metadata: some RoleMetadata, as role: String) throws -> [UInt8] {
        try SignedEnvelope.sign(metadata.json, by: signers[role, default: []]).encoded()
    }

    func put(_ role: String, version: Int, _ bytes: [UInt8]) {
        files[MetadataPath.file(role, version: root.consistentSnapshot ? version : nil)] = bytes
    }

    func publishRoot(signers extra: [TestSigner] = []) throws {
        let envelope = try SignedEnvelope.sign(root.json, by: signers["root", default: []] + extra)
        files[MetadataPath.file("root", version: root.version)] = envelope.encoded()
    }

    func publishTargets(_ role: String) throws {
        guard let metadata = targets[role] else { return }
        let bytes = try signed(metadata, as: role)
        put(role, version: metadata.version, bytes)
        snapshot.roles[role] =
            promisesHashes
            ? MetadataFileInfo(version: metadata.version, of: bytes) : MetadataFileInfo(version: metadata.version)
    }

    func publishSnapshot() throws {
        let bytes = try signed(snapshot, as: "snapshot")
        put("snapshot", version: snapshot.version, bytes)
        timestamp.snapshot =
            promisesHashes
            ? MetadataFileInfo(version: snapshot.version, of: bytes) : MetadataFileInfo(version: snapshot.version)
    }

    func publishTimestamp() throws { files["timestamp.json"] = try signed(timestamp, as: "timestamp") }

    // MARK: What an honest repository does

    /// Changes a targets role and publishes it with the next snapshot and timestamp.
    func update(_ role: String = "targets", _ edit: (inout TargetsMetadata) -> Void = { _ in }) throws {
        var metadata = targets[role] ?? TargetsMetadata(version: 0, expires: Self.yearLater)
        edit(&metadata)
        metadata.version += 1
        targets[role] = metadata
        try publishTargets(role)
        try release()
    }

    /// The next snapshot and timestamp.
    func release() throws {
        snapshot.version += 1
        try publishSnapshot()
        timestamp.version += 1
        try publishTimestamp()
    }

    /// The next root, with new keys for a role; the former root keys sign it too.
    func rotate(_ role: TopLevelRole, to fresh: [TestSigner], threshold: Int = 1) throws {
        let former = signers["root", default: []]
        signers[role.rawValue] = fresh
        root = try root.next(expires: Self.yearLater, replacing: [role: (fresh.map(\.publicKey), threshold)])
        try publishRoot(signers: role == .root ? former : [])
    }

    /// Adds a delegation at the end of a role's list and the delegated role itself, with a signer of its own.
    func delegate(
        _ name: String, from parent: String = "targets", paths: DelegatedRole.Paths, terminating: Bool = false,
        threshold: Int = 1, signers own: [TestSigner]? = nil, files: [String: TargetFile] = [:]
    ) throws {
        let own = try own ?? [TestSigner()]
        signers[name] = own
        try update(parent) { metadata in
            var roles: [DelegatedRole] = []
            if case .named(let named) = metadata.delegations?.roles { roles = named }
            var keys = metadata.delegations?.keys ?? [:]
            for signer in own { keys[signer.publicKey.keyID] = signer.publicKey }
            roles.append(
                DelegatedRole(
                    name: name, keys: RoleKeys(keyIDs: own.map(\.publicKey.keyID), threshold: threshold), paths: paths,
                    terminating: terminating))
            metadata.delegations = Delegations(keys: keys, roles: .named(roles))
        }
        try update(name) { $0.targets.merge(files) { $1 } }
    }
}

extension TargetFile {
    /// A target with the content `text`.
    static func of(_ text: String) -> TargetFile {
        TargetFile(length: Int64(text.utf8.count), digest: Digest.of(Array(text.utf8)))
    }
}

/// The reason of the `TUFError` that `body` throws; nil where it throws none.
func reason(of body: () async throws -> Void) async -> TUFError.Reason? {
    do {
        try await body()
        return nil
    } catch let error as TUFError {
        return error.reason
    } catch {
        return nil
    }
}

extension RepositorySimulator {
    /// A copy that an attack may ruin.
    func copy() throws -> RepositorySimulator {
        let copy = try RepositorySimulator()
        copy.root = root
        copy.timestamp = timestamp
        copy.snapshot = snapshot
        copy.targets = targets
        copy.signers = signers
        copy.files = files
        copy.promisesHashes = promisesHashes
        return copy
    }

    /// Changes the signed part of a file that is served, keeping its signatures.
    func tamper(_ path: String, _ edit: (inout [String: JSONValue]) -> Void) throws {
        guard var document = try JSONValue(parsing: files[path] ?? []).object, var signed = document["signed"]?.object
        else { return }
        edit(&signed)
        document["signed"] = .object(signed)
        files[path] = try JSONText.encode(JSONValue.object(document))
    }

    /// Changes the signed part of a file that is served and signs it anew with the role's keys.
    func resign(_ path: String, as role: String, _ edit: (inout [String: JSONValue]) -> Void) throws {
        try tamper(path, edit)
        let signed = try SignedEnvelope(parsing: files[path] ?? [], limit: Limits.tufMetadataBytes).signed
        files[path] = try SignedEnvelope.sign(signed, by: signers[role, default: []]).encoded()
    }
}

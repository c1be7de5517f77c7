import MartletTypes
import RegistryStore
import TUF

/// What this registry's snapshots name: the roles that are here, and those that devices have seen named by another
/// registry of the same owner while nobody brought them here. A snapshot without these would be a rollback.
struct NamedRoles {
    /// The roles that are here, as they stand.
    let present: [String: MetadataFileInfo]
    /// The roles that are named only.
    let absent: [String: MetadataFileInfo]

    var roles: [String: MetadataFileInfo] { present.merging(absent) { ours, _ in ours } }

    init(_ store: RoleStore) throws {
        let online: Set = [TopLevelRole.root.rawValue, TopLevelRole.snapshot.rawValue, TopLevelRole.timestamp.rawValue]
        var present: [String: MetadataFileInfo] = [:]
        for row in try store.versions() where !online.contains(row.role) {
            // No hash: version and signature say which bytes are meant, and it would triple what a refresh costs.
            present[row.role] = MetadataFileInfo(version: Int(row.version), length: row.length)
        }
        self.present = present
        absent = try Self.named(store).filter { present[$0.key] == nil }
    }

    /// What the last snapshot named. Where its keys were changed since, devices count anew, and so does this.
    private static func named(_ store: RoleStore) throws -> [String: MetadataFileInfo] {
        let role = TopLevelRole.snapshot
        guard let root = try store.current(TopLevelRole.root.rawValue)?.bytes,
            let bytes = try store.current(role.rawValue)?.bytes
        else { return [:] }
        let verifier = try (ChangeCheck.document(root, Limits.tufRootBytes) as RootMetadata).verifier(for: role)
        do throws(TUFError) {
            return try verifier.read(
                SnapshotMetadata.self, from: bytes, limit: Limits.tufMetadataBytes, role: role.rawValue
            ).roles
        } catch {
            return [:]
        }
    }
}

package import MartletTypes

/// What a device may read: exactly the digests that its current, previous and desired releases reach (DESIGN
/// section 10).
///
/// A device says itself what it runs and ran. Its word counts only for releases that were assigned to it once:
/// otherwise one captured box could read every release of every namespace by claiming to run it.
package struct ReadAccess {
    private let sql: any SQLConnection

    package init(_ sql: any SQLConnection) { self.sql = sql }

    /// Whether an active device may read a digest of a repository. Unknown and forbidden give the same answer.
    ///
    /// What is kept beside a manifest (signatures, bills of materials) is about it, and read with it.
    package func mayRead(_ device: DeviceID, _ repository: RepositoryName, _ digest: Digest) throws -> Bool {
        if try isNamed(device, repository, digest) { return true }
        return try ManifestStore(sql).subjects(repository, of: digest).contains { subject in
            try isNamed(device, repository, subject)
        }
    }

    /// Whether a release that an active device was told to run reaches a digest of a repository.
    package func isNamed(_ device: DeviceID, _ repository: RepositoryName, _ digest: Digest) throws -> Bool {
        try sql.first(
            """
            SELECT 1 AS one FROM slot_releases
            JOIN release_objects ON release_objects.repository = slot_releases.repository
                AND release_objects.version = slot_releases.version
            JOIN devices ON devices.device = slot_releases.device
            WHERE slot_releases.device = ? AND slot_releases.repository = ? AND release_objects.digest = ?
                AND devices.state = 'active'
                AND (slot_releases.phase = 'desired' OR EXISTS (
                    SELECT 1 FROM assigned_releases
                    WHERE assigned_releases.device = slot_releases.device
                        AND assigned_releases.repository = slot_releases.repository
                        AND assigned_releases.version = slot_releases.version))
            LIMIT 1
            """, [.text(device), .text(repository), .text(digest)]) != nil
    }
}

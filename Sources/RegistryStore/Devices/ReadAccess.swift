package import MartletTypes

/// What a device may read: exactly the digests that its current, previous and desired releases reach (DESIGN
/// section 10).
package struct ReadAccess {
    private let sql: any SQLConnection

    package init(_ sql: any SQLConnection) { self.sql = sql }

    /// Whether an active device may read a digest of a repository. Unknown and forbidden give the same answer.
    package func mayRead(_ device: DeviceID, _ repository: RepositoryName, _ digest: Digest) throws -> Bool {
        try sql.first(
            """
            SELECT 1 AS one FROM slot_releases
            JOIN release_objects ON release_objects.repository = slot_releases.repository
                AND release_objects.version = slot_releases.version
            JOIN devices ON devices.device = slot_releases.device
            WHERE slot_releases.device = ? AND slot_releases.repository = ? AND release_objects.digest = ?
                AND devices.state = 'active'
            LIMIT 1
            """, [.text(device), .text(repository), .text(digest)]) != nil
    }
}

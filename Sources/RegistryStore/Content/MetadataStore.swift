package import MartletTypes

/// One version of one TUF role, as it was signed.
package struct StoredMetadata: Sendable, Hashable {
    package var role: String
    package var version: Int64
    package var bytes: [UInt8]
    package var expires: Timestamp

    package init(role: String, version: Int64, bytes: [UInt8], expires: Timestamp) {
        self.role = role
        self.version = version
        self.bytes = bytes
        self.expires = expires
    }
}

/// TUF metadata: every version of every role, one of them current; and the small targets that are no releases.
package struct MetadataStore {
    private let sql: any SQLConnection

    package init(_ sql: any SQLConnection) { self.sql = sql }

    /// Makes `metadata` current if version `expected` is current now (nil: the role is new).
    ///
    /// Throws `versionConflict` where it is not, or where the version does not rise; `alreadyExists` where this version
    /// is kept with other bytes.
    package func put(_ metadata: StoredMetadata, replacing expected: Int64?, now: Timestamp) throws {
        let current = try currentVersion(of: metadata.role)
        guard current == expected else {
            throw StoreError(
                .versionConflict,
                "Role \(metadata.role) is at version \(current ?? 0), not at \(expected ?? 0).")
        }
        guard metadata.version > (current ?? 0) else {
            throw StoreError(
                .versionConflict,
                "Role \(metadata.role) has version \(current ?? 0); \(metadata.version) is not above it.")
        }
        let digest = Digest.of(metadata.bytes)
        if let kept = try sql.first(
            "SELECT digest FROM tuf_metadata WHERE role = ? AND version = ?",
            [.text(metadata.role), .integer(metadata.version)])
        {
            guard try kept.text("digest") == digest.text else {
                throw StoreError(.alreadyExists, "Role \(metadata.role) version \(metadata.version) has other bytes.")
            }
        } else {
            try sql.execute(
                """
                INSERT INTO tuf_metadata (role, version, bytes, digest, length, expires, stored)
                VALUES (?, ?, ?, ?, ?, ?, ?)
                """,
                [
                    .text(metadata.role), .integer(metadata.version), .blob(metadata.bytes), .text(digest),
                    .integer(Int64(metadata.bytes.count)), .time(metadata.expires), .time(now),
                ])
        }
        try sql.execute(
            """
            INSERT INTO tuf_current (role, version) VALUES (?, ?)
            ON CONFLICT (role) DO UPDATE SET version = excluded.version
            """, [.text(metadata.role), .integer(metadata.version)])
    }

    /// The version of a role that is current; nil where there is none.
    package func currentVersion(of role: String) throws -> Int64? {
        try sql.first("SELECT version FROM tuf_current WHERE role = ?", [.text(role)]).map { try $0.integer("version") }
    }

    /// The current version of a role.
    package func current(_ role: String) throws -> StoredMetadata? {
        try sql.first(
            """
            SELECT tuf_metadata.* FROM tuf_metadata
            JOIN tuf_current ON tuf_current.role = tuf_metadata.role AND tuf_current.version = tuf_metadata.version
            WHERE tuf_metadata.role = ?
            """, [.text(role)]
        ).map(Self.metadata)
    }

    /// A certain version of a role, current or not.
    package func find(_ role: String, version: Int64) throws -> StoredMetadata? {
        try sql.first("SELECT * FROM tuf_metadata WHERE role = ? AND version = ?", [.text(role), .integer(version)])
            .map(Self.metadata)
    }

    /// What is current of every role, without the bytes: for snapshots and for the status.
    package func versions() throws -> [(
        role: String, version: Int64, length: Int64, digest: Digest, expires: Timestamp
    )] {
        try sql.query(
            """
            SELECT tuf_metadata.role, tuf_metadata.version, length, digest, expires FROM tuf_metadata
            JOIN tuf_current ON tuf_current.role = tuf_metadata.role AND tuf_current.version = tuf_metadata.version
            ORDER BY tuf_metadata.role
            """, []
        ).map {
            (
                try $0.text("role"), try $0.integer("version"), try $0.integer("length"), try $0.name("digest"),
                try $0.time("expires")
            )
        }
    }

    /// Keeps the bytes of a target that is no release, e.g. `martlet/trust.json`.
    package func putTarget(_ path: String, _ bytes: [UInt8], now: Timestamp) throws {
        try sql.execute(
            """
            INSERT INTO tuf_targets (path, digest, bytes, stored) VALUES (?, ?, ?, ?)
            ON CONFLICT (path, digest) DO NOTHING
            """, [.text(path), .text(Digest.of(bytes)), .blob(bytes), .time(now)])
    }

    /// The bytes of a target that is no release, by its path and digest.
    package func target(_ path: String, _ digest: Digest) throws -> [UInt8]? {
        try sql.first("SELECT bytes FROM tuf_targets WHERE path = ? AND digest = ?", [.text(path), .text(digest)])
            .map { try $0.blob("bytes") }
    }

    private static func metadata(_ row: SQLRow) throws -> StoredMetadata {
        StoredMetadata(
            role: try row.text("role"), version: try row.integer("version"), bytes: try row.blob("bytes"),
            expires: try row.time("expires"))
    }
}

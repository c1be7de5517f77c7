package import MartletTypes

/// What a backup holds. Written last: without it the folder is no backup.
///
///     DIR/backup.json      this
///     DIR/registry.sqlite  the database, of one moment
///     DIR/blobs            every blob that the database names
///     DIR/keys             online keys and the authority, mode 0700
struct BackupManifest: Sendable, Codable {
    /// Raised when an older restore could not read it.
    static let newestFormat = 1
    static let fileName = "backup.json"

    var format = newestFormat
    /// The program that made it.
    var version: String
    var created: Timestamp
    var database: BackupFiles.Sum
    /// The files of `keys`, by name.
    var keys: [String: BackupFiles.Sum]
    var blobs: Int
    /// Bytes of all blobs.
    var bytes: Int64
}

/// What was copied, for people.
package struct BackupSummary: Sendable {
    /// When the backup was made.
    package let created: Timestamp
    /// Blobs in the backup.
    package let blobs: Int
    /// Their bytes.
    package let bytes: ByteCount
    /// Blobs that had to be copied: the others were there already.
    package let copied: Int
}

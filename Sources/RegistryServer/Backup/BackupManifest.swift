package import MartletTypes

/// What a backup holds: which state, and what must be in it. Replaced in one step, last: a folder without it is no
/// backup, and with it the state that it names is whole.
///
///     DIR/backup.json              this
///     DIR/state-N/registry.sqlite  the database, of one moment
///     DIR/state-N/keys             online keys and the authority, mode 0700
///     DIR/blobs                    every blob that the database names; all states share them
struct BackupManifest: Sendable, Codable {
    /// Raised when an older restore could not read it. In format 1 database and keys stood in the folder itself.
    static let newestFormat = 2
    static let fileName = "backup.json"

    var format = newestFormat
    /// The program that made it.
    var version: String
    var created: Timestamp
    /// The folder of database and keys; nil in format 1.
    var state: String?
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
    /// Those of them that were there, but damaged; only a run that verifies finds them.
    package let mended: Int
}

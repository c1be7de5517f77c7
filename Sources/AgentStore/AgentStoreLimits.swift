package import MartletTypes

/// Bounds of the device's store.
package enum AgentStoreLimits {
    /// Bytes hashed or copied at a time.
    package static let chunkBytes = 1024 * 1024
    /// Bytes of a blob that are hashed anew before other work is let through: as much as a piece of a download.
    package static let scrubPiece = 8 * 1024 * 1024
    /// A file that is read whole: a generation record, an identity, metadata of any role.
    package static let documentBytes = Limits.tufMetadataBytes
    /// Prepared statements kept.
    package static let cachedStatements = 64
    /// Pages of SQLite's cache, as negative KiB: the journal is small and the agent must be.
    package static let journalCacheKiB = 256
    /// Pages in the write-ahead log before it is folded back.
    package static let journalCheckpointPages = 256
    /// Reports that wait for the registry; the oldest go when a box is offline for longer than this holds.
    package static let outboxReports: Int64 = 10_000
    /// Transitions kept for people to read.
    package static let historyTransitions: Int64 = 5_000
    /// Evaluations remembered.
    package static let rememberedEvaluations: Int64 = 1_000
    /// Floors and withdrawn releases in mind: only what a publisher signed and this device had to do with counts.
    package static let takenBack = 4_096
    /// What a disk must still take at the start to be written to: the journal's index needs half of it.
    package static let probeBytes = 64 * 1024
    /// Folders below one another that are looked into: an unpacked archive has 32 at most.
    static let treeDepth = 40
    /// Damaged journals and blobs that are kept aside.
    package static let keptAside = 3
    /// The longest damaged blob that is kept aside for people to look at: a model would take the room of its successor.
    package static let keptAsideBytes = ByteCount.mebibytes(4)
    /// Tries at the start to read a journal that the disk does not give back, before it counts as lost.
    package static let journalTries = 3
    /// Between two of these tries: a disk that is reset comes back within a second.
    package static let journalPause = Duration.seconds(1)
    /// A journal made from what else is on the disk: slots with two generations each, and no history.
    package static let standInBytes = 64 * 1024 * 1024
}

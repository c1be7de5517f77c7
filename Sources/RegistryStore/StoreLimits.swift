/// Bounds of the store, each with its reason.
package enum StoreLimits {
    /// Seconds that a write waits for another process's lock (a backup, an operator's `sqlite3`).
    package static let busySeconds = 10.0
    /// Connections that read at once: more than cores, since a reader may wait for the disk.
    package static let readers = 5
    /// Uploads open at once; each holds a file descriptor and a hash state.
    package static let openUploads = 256
    /// Bytes read at once while a file is hashed: large enough for sequential reads, small enough for any stack.
    package static let hashReadBytes = 1 << 20
    /// Reports kept for one device; older ones are pruned with the rows of the history.
    package static let reportsPerDevice = 10_000
    /// Rows of the change log; a replica that fell further behind wakes everyone.
    package static let changeRows = 100_000
    /// Wrong journals remembered for one device.
    package static let journalsPerDevice = 16
    /// Digests that one release reaches: its index, manifests, and their layers.
    package static let objectsPerRelease = 64 * 300
    /// Writes of different requests that share a transaction: enough to make the wait for the disk cheap, few enough
    /// that the first need not wait long for the last.
    static let writesPerTransaction = 64
    /// Bytes of a stored answer under an idempotency key.
    package static let idempotentAnswerBytes = 256 * 1024
    /// Changes that wait for signatures at once: each may hold the roles of a whole namespace.
    package static let openProposals = 200
    /// Manifests that one digest is found to be about, or part of one about: the empty configuration is in all.
    package static let subjectsOfDigest = 256
}

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
    /// Bytes of a stored answer under an idempotency key.
    package static let idempotentAnswerBytes = 256 * 1024
    /// Changes that wait for signatures at once: each may hold the roles of a whole namespace.
    package static let openProposals = 200
    /// Manifests that one digest is found to be about, or part of one about: the empty configuration is in all.
    package static let subjectsOfDigest = 256
    /// Events that are kept: some weeks of a busy fleet, under 200 MB.
    package static let eventRows = 200_000
    /// Rows that are forgotten in one transaction, so that no write waits long for it.
    package static let pruneRows = 5000
    /// Deliveries of one webhook that wait: beyond them its events wait in the log.
    package static let pendingDeliveries = 1000
    /// Dead deliveries of one webhook that are kept; the oldest go first.
    package static let deadDeliveries = 10_000
    /// Secrets of one webhook that sign at once: the present one, and those that still end.
    package static let webhookSecrets = 4
    /// Why a delivery failed, in bytes: a sentence.
    package static let deliveryErrorBytes = 300
    /// Decisions of one rollout that are read at once: a month of one measurement a minute that fails.
    package static let decisionsPerRollout = 50_000
    /// Devices that are looked at for one side of a gate: tests over ranks gain nothing from more.
    package static let evidenceDevices = 400
    /// Rows of minutes that are read for one measurement, so that it takes a second at most however long it spans.
    package static let evidenceRows = 40_000
    /// Hours that one measurement looks back: a rollout that stands for a week is judged by its last day.
    package static let evidenceHours: Int64 = 24
    /// Finished rollbacks of many devices that are kept: enough to look up what a bad week brought.
    package static let rollbacks = 200
    /// Writes of different requests that share a transaction: enough to make the wait for the disk cheap, few enough
    /// that the first need not wait long for the last.
    static let writesPerTransaction = 64
}

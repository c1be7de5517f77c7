package import MartletTypes

/// One row of the audit log.
package struct AuditRow: Sendable, Hashable, Codable {
    package var number: Int64
    package var time: Timestamp
    /// Who: a token's name, a device, or `registry`.
    package var actor: String
    /// What, e.g. `release.publish`, `rollout.start`, `device.enrol`.
    package var action: String
    /// On what, e.g. `clinic/triage/1.0.0`.
    package var subject: String
    package var detail: JSONValue
    /// The row's hash as a leaf of the log's Merkle tree, in hexadecimal.
    package var hash: String

    package init(
        number: Int64, time: Timestamp, actor: String, action: String, subject: String, detail: JSONValue, hash: String
    ) {
        self.number = number
        self.time = time
        self.actor = actor
        self.action = action
        self.subject = subject
        self.detail = detail
        self.hash = hash
    }
}

/// What proves that a row is in the log of `size` rows, or that this log continues a smaller one (RFC 9162).
package struct AuditProof: Sendable, Hashable, Codable {
    /// The number of rows of the log that the proof is about.
    package var size: Int64
    /// The row that is proven to be in it.
    package var row: Int64?
    /// The number of rows of the log that it continues.
    package var from: Int64?
    /// Hashes of the tree, the lowest first.
    package var hashes: [Digest]

    package init(size: Int64, row: Int64? = nil, from: Int64? = nil, hashes: [Digest]) {
        self.size = size
        self.row = row
        self.from = from
        self.hashes = hashes
    }
}

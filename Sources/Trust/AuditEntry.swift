package import MartletTypes

/// One row of the audit log: who did what to what.
package struct AuditEntry: Sendable, Hashable, Codable {
    /// Rises by one with each row, from 1.
    package let sequence: Int64
    /// When it happened.
    package let time: Timestamp
    /// Who did it: an operator token's name, a device, or `registry`.
    package let actor: String
    /// What was done, e.g. `release.publish`.
    package let action: String
    /// To what, e.g. `clinic/triage/1.2.0`.
    package let subject: String
    /// More about it; whole numbers only, and never a secret.
    package let detail: JSONValue

    package init(
        sequence: Int64, time: Timestamp, actor: String, action: String, subject: String,
        detail: JSONValue = .object([:])
    ) {
        self.sequence = sequence
        self.time = time
        self.actor = actor
        self.action = action
        self.subject = subject
        self.detail = detail
    }

    /// The row's hash in the tree: of its canonical JSON.
    ///
    /// Throws `badAuditEntry` where it has no canonical form or is too long.
    package func leafHash() throws(TrustError) -> Digest {
        let row = JSONValue.object([
            "sequence": .integer(sequence), "time": .string(time.description), "actor": .string(actor),
            "action": .string(action), "subject": .string(subject), "detail": detail,
        ])
        let bytes: [UInt8]
        do {
            bytes = try CanonicalJSON.encode(row)
        } catch {
            throw TrustError(.badAuditEntry, error.message)
        }
        guard bytes.count <= TrustLimits.auditRowBytes else {
            throw TrustError(.badAuditEntry, "An audit row is over \(TrustLimits.auditRowBytes) bytes.")
        }
        return AuditTree.leaf(bytes)
    }
}

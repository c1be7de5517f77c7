package import MartletTypes

/// One row of the audit log: who did what to what, chained to the row before by its hash.
package struct AuditEntry: Sendable, Hashable, Codable {
    /// Rises by one with each row, from 1.
    package let sequence: Int64
    /// When it happened.
    package let time: Timestamp
    /// Who did it: an operator token's name, a device, or `registry`.
    package let actor: String
    /// What was done, e.g. `release.publish`.
    package let action: String
    /// To what, e.g. `clinic/triage:1.2.0`.
    package let subject: String
    /// More about it; whole numbers only.
    package let detail: JSONValue
    /// The hash of the row before, in hexadecimal; zeros for the first.
    package let previousHash: String
    /// SHA-256 of the previous hash's bytes and this row's canonical JSON, in hexadecimal.
    package let hash: String

    /// A row as it was stored, to be verified.
    package init(
        sequence: Int64, time: Timestamp, actor: String, action: String, subject: String, detail: JSONValue,
        previousHash: String, hash: String
    ) {
        self.sequence = sequence
        self.time = time
        self.actor = actor
        self.action = action
        self.subject = subject
        self.detail = detail
        self.previousHash = previousHash
        self.hash = hash
    }

    /// The hash that a row with this content must have; throws `badAuditEntry` where it has no canonical form or is
    /// too long.
    package func computedHash() throws(TrustError) -> String {
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
        guard let previous = Hex.decode(previousHash), previous.count == 32 else {
            throw TrustError(.badAuditEntry, "The previous hash is not 64 hexadecimal digits.")
        }
        return Digest.of(previous + bytes).hex
    }
}

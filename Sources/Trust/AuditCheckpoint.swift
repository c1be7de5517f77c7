package import MartletTypes
package import TUF

/// What the registry signs about its audit log: how many rows it has, and the root of the tree over them.
///
/// On the wire a `SignedEnvelope` by the director's keys, which `martlet/trust.json` names; `_type` is part of what is
/// signed, so that no assignment passes for a checkpoint.
package struct AuditCheckpoint: Sendable, Hashable, Codable {
    /// The value of `_type`.
    package static let documentType = "martlet-audit-checkpoint"

    /// Rows in the log.
    package let size: Int64
    /// The root of the tree over them.
    package let root: Digest
    /// When it was signed.
    package let time: Timestamp

    package init(size: Int64, root: Digest, time: Timestamp) {
        self.size = size
        self.root = root
        self.time = time
    }

    private enum CodingKeys: String, CodingKey {
        case type = "_type"
        case size, root, time
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        guard try container.decode(String.self, forKey: .type) == Self.documentType else {
            throw DecodingError.dataCorruptedError(
                forKey: .type, in: container, debugDescription: "not a \(Self.documentType)")
        }
        size = try container.decode(Int64.self, forKey: .size)
        root = try container.decode(Digest.self, forKey: .root)
        time = try container.decode(Timestamp.self, forKey: .time)
        guard size >= 0, root.algorithm == .sha256 else {
            throw DecodingError.dataCorruptedError(
                forKey: .size, in: container, debugDescription: "a number of rows and a SHA-256 root")
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(Self.documentType, forKey: .type)
        try container.encode(size, forKey: .size)
        try container.encode(root, forKey: .root)
        try container.encode(time, forKey: .time)
    }

    /// Signs it.
    package func signed(by signers: [any Signer]) throws -> SignedEnvelope {
        try SignedEnvelope.sign(try JSONValue(parsing: JSONText.encode(self)), by: signers)
    }

    /// Reads a received checkpoint that `threshold` of `keys` signed; throws `AuditFinding` (`unsigned`).
    package static func verify(
        _ bytes: [UInt8], keys: [String: PublicKey], threshold: Int
    ) throws(AuditFinding) -> AuditCheckpoint {
        do {
            let envelope = try SignedEnvelope(parsing: bytes, limit: TrustLimits.auditCheckpointBytes)
            try envelope.verify(keys: keys, threshold: threshold)
            return try JSONText.decode(AuditCheckpoint.self, from: CanonicalJSON.encode(envelope.signed))
        } catch let error as any MartletError {
            throw AuditFinding(.unsigned, row: nil, error.message)
        } catch {
            throw AuditFinding(.unsigned, row: nil, "\(error)")
        }
    }
}

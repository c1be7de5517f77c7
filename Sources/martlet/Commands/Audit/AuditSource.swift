import MartletAPI
import MartletTypes
import Publishing
import RegistryClient
import TUF
import Trust

/// A registry's audit log over the network, and who may sign for it.
struct AuditSource {
    let session: Session
    /// The first root that this operator pinned.
    let root: Digest
    /// Verified by that root; names the keys that sign checkpoints.
    let trust: TrustDocument

    init(_ session: Session) async throws {
        guard let root = session.stored.rootDigest else { throw CommandError.noTrustedRoot }
        self.session = session
        self.root = root
        let fetcher = HTTPMetadataFetcher(http: session.http)
        let tuf = try TUFClient(
            trustedRoot: try await TrustAnchor.root(http: session.http, expecting: root), fetcher: fetcher,
            store: FileMetadataStore(folder: ClientConfiguration.metadataFolder(for: root)))
        try await tuf.refresh(now: systemClock())
        trust = try await fetcher.trustDocument(tuf)
    }

    /// The log's checkpoint, with its signature verified, and as it came.
    func checkpoint() async throws -> (checkpoint: AuditCheckpoint, envelope: JSONValue) {
        let bytes = try await session.registry.api.send(session.registry.api.call(OperatorRoutes.auditCheckpoint)).body
        let checkpoint = try AuditCheckpoint.verify(
            bytes, keys: trust.directorKeys, threshold: trust.directorThreshold)
        guard checkpoint.size <= AuditLimits.rows else {
            throw CommandError("auditTooLong", "The audit log has over \(AuditLimits.rows) rows.", fault: .environment)
        }
        return (checkpoint, try JSONValue(parsing: bytes))
    }

    /// Hands the rows after `number` up to the checkpoint's last to `take`, page by page, in rising order.
    func rows(
        after number: Int64 = 0, upTo last: Int64, take: ([AuditRow]) throws -> Void
    ) async throws {
        var number = number
        while number < last {
            let page = try await session.registry.api.get(
                OperatorRoutes.audit, query: ["after": String(number), "limit": String(Limits.pageRows)],
                as: Page<AuditRow>.self)
            let rows = page.items.filter { $0.number <= last }
            try take(rows)
            guard let end = page.items.last?.number, end > number else { return }
            number = end
        }
    }

    /// The proof that row `number` is in the log of `size` rows, or that this log continues that of `former`.
    func proof(of number: Int64? = nil, from former: Int64? = nil, in size: Int64) async throws -> [Digest] {
        var query = ["size": String(size)]
        query["row"] = number.map(String.init)
        query["from"] = former.map(String.init)
        return try await session.registry.api.get(OperatorRoutes.auditProof, query: query, as: AuditProof.self).hashes
    }
}

extension CommandError {
    static let noTrustedRoot = CommandError(
        "noTrustedRoot", "This operator trusts no root metadata yet.",
        remedy: "Run `martlet trust init` (once for a registry) or `martlet trust pin DIGEST`.")
}

extension AuditVerifier {
    /// Checks rows as the registry and exports write them.
    mutating func add(_ rows: [AuditRow]) throws(AuditFinding) {
        var pairs: [(entry: AuditEntry, hash: Digest)] = []
        for row in rows {
            guard let bytes = Hex.decode(row.hash), let hash = try? Digest(algorithm: .sha256, bytes: bytes) else {
                throw AuditFinding(.edited, row: row.number, "its hash is none.")
            }
            let entry = AuditEntry(
                sequence: row.number, time: row.time, actor: row.actor, action: row.action, subject: row.subject,
                detail: row.detail)
            pairs.append((entry, hash))
        }
        try add(pairs)
    }
}

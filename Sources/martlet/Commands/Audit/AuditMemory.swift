import FoundationEssentials
import MartletTypes
import RegistryClient
import Trust

/// What this client saw of a registry's audit log: the last checkpoint it verified, the hash of each row up to there,
/// and who could sign. It is what finds a log that was written anew as a whole.
///
/// In `$XDG_STATE_HOME/martlet/audit/ROOT/`. Rows' hashes are written first, so that a cut leaves the older checkpoint.
struct AuditMemory {
    /// The last checkpoint that was verified here; nil for none.
    let checkpoint: AuditCheckpoint?
    /// The hashes of its rows; empty where they were lost, which leaves the root.
    let leaves: [Digest]
    private let folder: String

    /// Opens the memory of the registry whose first root has this digest.
    init(root: Digest) throws {
        folder = ClientConfiguration.stateFolder + "/audit/" + root.hex
        guard FileManager.default.fileExists(atPath: folder + "/checkpoint.json") else {
            (checkpoint, leaves) = (nil, [])
            return
        }
        do {
            let checkpoint = try JSONText.decode(
                AuditCheckpoint.self, from: LocalText.read(folder + "/checkpoint.json"))
            self.checkpoint = checkpoint
            leaves = Self.leaves(folder, of: checkpoint)
        } catch {
            throw CommandError(
                "auditMemoryUnreadable", "What this client remembers of the audit log cannot be read: \(error).",
                remedy: "Compare with an export first; then remove \(folder) and verify again.", fault: .environment)
        }
    }

    /// The hashes that were kept, if they are those of the checkpoint.
    private static func leaves(_ folder: String, of checkpoint: AuditCheckpoint) -> [Digest] {
        guard let bytes = FileManager.default.contents(atPath: folder + "/rows.sha256").map(Array.init),
            bytes.count >= Int(checkpoint.size) * 32
        else { return [] }
        var frontier = AuditFrontier()
        var leaves: [Digest] = []
        for number in 0..<Int(checkpoint.size) {
            guard let leaf = try? Digest(algorithm: .sha256, bytes: Array(bytes[number * 32..<number * 32 + 32]))
            else { return [] }
            frontier.append(leaf)
            leaves.append(leaf)
        }
        return frontier.root == checkpoint.root ? leaves : []
    }

    /// The hash of row `number` (from 1) as it was seen; nil where it was not.
    func leaf(_ number: Int64) -> Digest? {
        leaves.indices.contains(Int(number) - 1) ? leaves[Int(number) - 1] : nil
    }

    /// Remembers a checkpoint that was verified, with the hashes of all its rows.
    func remember(_ checkpoint: AuditCheckpoint, leaves: [Digest], trust: [UInt8]) throws {
        if let seen = self.checkpoint, seen.size > checkpoint.size { return }
        do {
            try DurableFile.makeFolder(folder)
            try write(leaves.flatMap { Hex.decode($0.hex) ?? [] }, "rows.sha256")
            try write(trust, "trust.json")
            try write(JSONText.encode(checkpoint, pretty: true), "checkpoint.json")
        } catch {
            throw CommandError(
                "fileUnwritable", "What was seen of the audit log cannot be remembered in \(folder): \(error).",
                remedy: "Check the folder's permissions and the free space.", fault: .environment)
        }
    }

    private func write(_ bytes: [UInt8], _ name: String) throws {
        try DurableFile.write(bytes, to: folder + "/" + name, in: folder)
    }

    /// The trust document that was verified last; for checks without the registry.
    func trustDocument() throws -> TrustDocument {
        guard FileManager.default.fileExists(atPath: folder + "/trust.json") else {
            throw CommandError(
                "auditUnknown", "This client has never verified the registry's audit log, so it knows no key of it.",
                remedy: "Run `martlet audit verify` once online, or give the registry's trust document by --trust.")
        }
        return try TrustDocument(parsing: try LocalText.read(folder + "/trust.json"))
    }
}

package import MartletTypes

/// Where everything stands below the data folder. Paths of blobs come from digests only, never from strings of outside.
package struct StoreLayout: Sendable, Hashable {
    /// The data folder.
    package let root: String
    /// Sockets and addresses of the running agent.
    package let run: String

    /// `run` is below the data folder, or elsewhere while that takes no writes.
    package init(root: String, run: String? = nil) {
        self.root = root
        self.run = run ?? root + "/run"
    }

    package var lock: String { root + "/lock" }
    package var journal: String { root + "/journal.sqlite" }
    /// Which journal that is, for an agent whose journal is lost.
    package var journalOrigin: String { root + "/journal.id" }
    /// The last accepted assignment as it was signed, for an agent whose journal is lost.
    package var assignment: String { root + "/assignment.json" }
    /// What publishers took back, beside the journal's own copy.
    package var takenBack: String { root + "/taken-back.json" }
    package var blobs: String { root + "/blobs/sha256" }
    package var partial: String { root + "/partial" }
    package var quarantine: String { root + "/quarantine" }
    package var generations: String { root + "/generations" }
    /// Engines that came as releases, unpacked.
    package var engines: String { root + "/engines" }
    package var metadata: String { root + "/tuf" }
    package var identity: String { root + "/identity" }
    /// The folder of the engines' logs, which go where the sockets go.
    package var logs: String { (run == root + "/run" ? root : run) + "/log" }

    /// The finished blob.
    package func blob(_ digest: Digest) -> String { "\(root)/blobs/\(digest.algorithm.rawValue)/\(digest.hex)" }
    /// The blob while it is fetched.
    package func partial(_ digest: Digest) -> String { "\(partial)/\(digest.algorithm.rawValue)-\(digest.hex)" }
    /// The folder of a slot's generations.
    package func generations(of slot: SlotName) -> String { "\(generations)/\(slot)" }
    /// One generation's folder: its record and links to its blobs.
    package func generation(_ id: GenerationID, of slot: SlotName) -> String { "\(generations)/\(slot)/\(id)" }
    /// From a generation's folder to a blob.
    func relativeBlob(_ digest: Digest) -> String { "../../../blobs/\(digest.algorithm.rawValue)/\(digest.hex)" }

    /// Every folder, parents first, with its permission bits.
    package var folders: [(path: String, mode: UInt32)] {
        [
            (root, 0o755), (root + "/blobs", 0o755), (root + "/blobs/sha256", 0o755), (root + "/blobs/sha512", 0o755),
            (partial, 0o700), (quarantine, 0o700), (generations, 0o755), (metadata, 0o755), (identity, 0o700),
            (run, 0o755),
        ]
    }
}

private import MartletTypes

/// Stores a new root together with what follows from it, so that a crash in between is finished at the next start.
///
/// When timestamp or snapshot keys are rotated, what those roles said before is forgotten (TUF 1.0 section 5.3.11):
/// otherwise versions that a thief of the old keys drove up would block every later one. Root stored first and a crash
/// before the removal would leave that block for ever; removal first would forget rollback protection without a
/// rotation. So the new root is recorded as intention first.
struct RootAdoption {
    let store: any MetadataStore
    let limits: TUFClientLimits

    /// The root to start from: an adoption that was cut off is finished first.
    func start(from initial: [UInt8]) throws -> RootMetadata {
        let anchor = try read(initial)
        var root = anchor
        let stored = try store.load(RootMetadata.type)
        if let stored, let known = try? read(stored), known.version > anchor.version {
            root = known
        } else if stored != initial {
            try store.save(RootMetadata.type, initial)
        }
        guard let pending = try store.load(TUFRecord.nextRoot) else { return root }
        var set = TrustedMetadataSet(root: root, limits: limits, referenceTime: Timestamp(seconds: 0))
        do {
            try set.updateRoot(pending)
        } catch {
            // Adopted already, all but for this record; or not the successor of this root.
            try store.remove(TUFRecord.nextRoot)
            return root
        }
        try adopt(pending, set.root, after: root)
        return set.root
    }

    /// Stores the verified root that follows `former`; returns whether timestamp and snapshot were forgotten.
    @discardableResult
    func adopt(_ bytes: [UInt8], _ root: RootMetadata, after former: RootMetadata) throws -> Bool {
        guard root.hasRotated(.timestamp, since: former) || root.hasRotated(.snapshot, since: former) else {
            try store.save(RootMetadata.type, bytes)
            return false
        }
        try store.save(TUFRecord.nextRoot, bytes)
        try store.remove(SnapshotMetadata.type)
        try store.remove(TimestampMetadata.type)
        try store.save(RootMetadata.type, bytes)
        try store.remove(TUFRecord.nextRoot)
        return true
    }

    private func read(_ bytes: [UInt8]) throws(TUFError) -> RootMetadata {
        try TrustedMetadataSet(trustedRoot: bytes, limits: limits, referenceTime: Timestamp(seconds: 0)).root
    }
}

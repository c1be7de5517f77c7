internal import Glibc
internal import MartletTypes

/// A journal to stand in for one that is damaged on a disk that takes no writes: there nothing can be put aside or made
/// anew, and a card that dies does both at once. What serves must go on serving.
extension AgentStore {
    /// The journal of a suspended store, read alone.
    static func readOnlyJournal(
        _ layout: StoreLayout, _ files: any FileSystem, _ generations: GenerationStore, _ health: StoreHealth
    ) async throws -> (Journal, Recovery?) {
        var (cause, kept) = (incomplete, layout.journal)
        if files.status(layout.journal) != nil {
            switch try await usableJournal(layout, health, nil) {
            case .success(let journal):
                if try await journal.fact(completeFact) != nil { return (journal, nil) }
                await journal.close()
            case .failure(let error):
                guard error.isOfLostJournal else { throw error }
                (cause, kept) = (error.message, try nextAside(layout, files).path)
            }
        }
        let (journal, slots) = try await standIn(layout, files, generations, health)
        return (journal, Recovery(cause: cause, keptAside: kept, slots: slots))
    }

    /// Makes one in the folder of the sockets, which is in memory then, from what else is on the disk.
    private static func standIn(
        _ layout: StoreLayout, _ files: any FileSystem, _ generations: GenerationStore, _ health: StoreHealth
    ) async throws -> (Journal, [SlotName]) {
        let path = layout.run + "/journal.sqlite"
        // Of an agent before this one.
        for suffix in journalSuffixes { unlink(path + suffix) }
        let origin = JournalOrigin.read(layout, files)
        let journal = try Journal(path: path) { JournalOrigin.bytes(origin) }
        let slots: [SlotName]
        do {
            let next = try await JournalOrigin.next(origin, for: journal)
            slots = try await rebuild(journal, next, generations, layout, files)
        } catch {
            await journal.close()
            throw error
        }
        // SQLite takes its log away: from here on the file is whole by itself.
        await journal.close()
        return (try Journal(path: path, health: health), slots)
    }

    /// Puts what stands in for a damaged journal in its place, and that aside.
    func placeStandIn() async throws {
        let path = await journal.path
        guard path != layout.journal else { return }
        // It lies there where only the opening failed the last time; or the disk gives back the one that was lost,
        // which knows more.
        if case .success(let placed) = await Self.readJournal(layout, health, nil) {
            let isWhole = try await placed.fact(Self.completeFact) != nil
            await placed.close()
            if isWhole, placed.identity == journal.identity { return }
        }
        guard let bytes = try RealFileSystem().contents(of: path, limit: AgentStoreLimits.standInBytes) else {
            throw AgentStoreError(.journalUnusable, "The journal \(path) is gone, which stood in for a damaged one.")
        }
        _ = try Self.putAside(layout, files)
        try await JournalOrigin(of: journal).write(layout, files)
        try files.writeAtomically(bytes, to: layout.journal)
    }
}

extension AgentStoreError {
    /// Whether a journal cannot be used any more, or is not given back by the disk.
    var isOfLostJournal: Bool { [.journalUnusable, .journalUnreadable].contains(reason) }
}

package import MartletTypes

/// The data folder of a device, opened: at most one agent has it.
package struct AgentStore: Sendable {
    /// What was done about a journal that could not be used, or was not there while generations were.
    package struct Recovery: Sendable, Hashable {
        /// Why it could not be used.
        package let cause: String
        /// Where it was put aside, or is once the disk takes writes; the new one's path where there was none.
        package let keptAside: String
        /// Slots that were found again through the generations' links.
        package let slots: [SlotName]

        /// For people.
        package var message: String {
            let found = slots.isEmpty ? "no slot" : slots.map(\.text).joined(separator: ", ")
            return "\(cause) It is kept as \(keptAside); found again: \(found)."
        }
    }

    package let layout: StoreLayout
    package let files: any FileSystem
    package let journal: Journal
    package let blobs: BlobStore
    package let generations: GenerationStore
    package let metadata: FileMetadataStore
    /// What publishers took back, as far as this device has seen it.
    package let takenBack: TakenBackStore
    package let identity: IdentityStore
    /// Set where the journal had to be made anew.
    package let recovery: Recovery?
    /// Whether the data folder takes writes.
    package let health: StoreHealth
    /// Why what an interrupted step left could not be removed at the start; nil where nothing is left.
    package let leftovers: AgentStoreError?
    private let lock: StoreLock

    /// Opens or makes the data folder. Throws `alreadyRunning` where another agent has it.
    ///
    /// A damaged journal, or one that the disk does not give back in three tries, is put aside and the slots are found
    /// again from the generations on disk, so that what served goes on serving. The journal of a newer agent is left
    /// alone and refused.
    ///
    /// A disk that takes no writes suspends the store (`health`): all is read as it is, and every write throws until
    /// `resume`. Sockets then go to another folder; `runtime` is systemd's `$RUNTIME_DIRECTORY`, the first choice.
    /// There a damaged journal has one to stand in for it.
    package static func open(
        root: String, budget: DiskBudget = DiskBudget(), runtime: String? = nil,
        files: any FileSystem = RealFileSystem()
    ) async throws -> AgentStore {
        let health = StoreHealth()
        var layout = StoreLayout(root: root)
        if files.status(layout.root) == nil { try files.makeFolder(layout.root, mode: 0o755) }
        let lock = try StoreLock(layout: layout)
        if let error = probe(layout, files) {
            // There is nothing to serve from a folder that was never used.
            guard [layout.journal, layout.generations].contains(where: { files.status($0) != nil }) else { throw error }
            health.suspend(error)
            layout = StoreLayout(root: root, run: RunFolder.elsewhere(data: root, runtime: runtime))
        } else {
            try prepare(layout, files)
        }
        let generations = GenerationStore(layout: layout, files: files)
        let (journal, recovery) = try await openJournal(layout, files, generations, health)
        var leftovers: AgentStoreError?
        if !health.isSuspended {
            try await journal.raise(.nextGeneration, to: generations.highest() + 1)
            leftovers = await generations.collectStrays(try await journal.slots())
        }
        let takenBack = try await TakenBackStore(journal: journal, files: files, path: layout.takenBack)
        return AgentStore(
            layout: layout, files: files, journal: journal,
            blobs: BlobStore(layout: layout, files: files, budget: budget), generations: generations,
            metadata: FileMetadataStore(folder: layout.metadata, files: files), takenBack: takenBack,
            identity: IdentityStore(folder: layout.identity, files: files), recovery: recovery, health: health,
            leftovers: leftovers, lock: lock)
    }

    /// Writes again, where the disk took nothing at the start and does now. Throws why it still does not; returns why
    /// what an interrupted step left could not be removed, which keeps nothing from going on.
    @discardableResult
    package func resume() async throws -> AgentStoreError? {
        guard health.isSuspended else { return nil }
        if let error = Self.probe(layout, files) { throw error }
        try Self.prepare(layout, files)
        let highest = try await generations.highest()
        // Before the journal can be written: no slot makes generations until then.
        let leftovers = await generations.collectStrays(try await journal.slots())
        try await placeStandIn()
        try await journal.reopen(at: layout.journal, above: highest)
        health.resumed()
        return leftovers
    }

    /// Why the data folder takes no writes; nil where it does.
    private static func probe(_ layout: StoreLayout, _ files: any FileSystem) -> AgentStoreError? {
        let path = layout.root + "/probe"
        do throws(AgentStoreError) {
            let file = try files.open(path, .create(0o600))
            defer { file.close() }
            try file.write([UInt8](repeating: 0, count: AgentStoreLimits.probeBytes))
            try files.remove(path)
            return nil
        } catch {
            files.discard(path)
            return error
        }
    }

    private static func prepare(_ layout: StoreLayout, _ files: any FileSystem) throws {
        for (path, mode) in layout.folders { try files.makeFolder(path, mode: mode) }
        for path in [layout.root, FileSystemPath.folder(of: layout.blobs)] { try files.synchronizeFolder(path) }
    }

    /// Ends the use of the folder.
    package func close() async { await journal.close() }

    /// Keeps an accepted assignment: the signed bytes beside the journal, then its number in it.
    package func accept(assignment bytes: [UInt8], number: Int64) async throws {
        try files.writeAtomically(bytes, to: layout.assignment)
        try await journal.raise(.assignmentNumber, to: number)
    }

    /// The signed bytes of the last accepted assignment; nil where there is none.
    package func lastAssignment() throws -> [UInt8]? {
        try files.contents(of: layout.assignment, limit: Limits.assignmentBytes)
    }

    private static func openJournal(
        _ layout: StoreLayout, _ files: any FileSystem, _ generations: GenerationStore, _ health: StoreHealth
    ) async throws -> (Journal, Recovery?) {
        guard !health.isSuspended else { return try await readOnlyJournal(layout, files, generations, health) }
        let origin = JournalOrigin.read(layout, files)
        var damage: (cause: String, aside: String)?
        var usable = try await usableJournal(layout, health, origin)
        if case .failure(let error) = usable {
            guard error.isOfLostJournal else { throw error }
            damage = (error.message, try putAside(layout, files))
            usable = await readJournal(layout, health, origin)
        }
        let journal = try usable.get()
        // Set last: a journal without it is new, or its recovery was cut off, and then that is done again.
        if try await journal.fact(completeFact) != nil {
            let known = try await JournalOrigin(of: journal)
            // What cannot be written now is at the next start.
            if known != origin { try? known.write(layout, files) }
            return (journal, nil)
        }
        let next = try await JournalOrigin.next(origin, for: journal)
        try next.write(layout, files)
        let slots = try await rebuild(journal, next, generations, layout, files)
        if let damage {
            return (journal, Recovery(cause: damage.cause, keptAside: damage.aside, slots: slots))
        }
        guard !slots.isEmpty else { return (journal, nil) }
        return (journal, Recovery(cause: incomplete, keptAside: layout.journal, slots: slots))
    }

    static let completeFact = "complete"
    static let incomplete = "There were generations on the disk and no complete journal."

    /// Opens the journal, a few times where the disk does not give back what is in it.
    static func usableJournal(
        _ layout: StoreLayout, _ health: StoreHealth, _ origin: JournalOrigin?
    ) async throws -> Result<Journal, AgentStoreError> {
        for _ in 1..<AgentStoreLimits.journalTries {
            let journal = await readJournal(layout, health, origin)
            guard case .failure(let error) = journal, error.reason == .journalUnreadable else { return journal }
            try await Task.sleep(for: AgentStoreLimits.journalPause)
        }
        return await readJournal(layout, health, origin)
    }

    /// Opens the journal and reads what must be readable in it: SQLite's check sees pages, not what is in their cells.
    static func readJournal(
        _ layout: StoreLayout, _ health: StoreHealth, _ origin: JournalOrigin?
    ) async -> Result<Journal, AgentStoreError> {
        do throws(AgentStoreError) {
            let journal = try Journal(path: layout.journal, health: health) { JournalOrigin.bytes(origin) }
            do throws(AgentStoreError) {
                _ = try await journal.slots()
                return .success(journal)
            } catch {
                // SQLite would remove the new journal's log when the old one is closed later.
                await journal.close()
                throw error
            }
        } catch {
            return .failure(error)
        }
    }

    /// Where the next damaged journal is kept, and the numbers of those that are kept already.
    static func nextAside(_ layout: StoreLayout, _ files: any FileSystem) throws -> (path: String, taken: [Int]) {
        var taken: [Int] = []
        for name in try files.names(in: layout.root) where name.hasPrefix(aside) && name.hasSuffix(".sqlite") {
            if let number = Int(name.dropFirst(aside.count).prefix(while: { $0 != "." })) { taken.append(number) }
        }
        taken.sort()
        return ("\(layout.root)/\(aside)\((taken.last ?? 0) + 1).sqlite", taken)
    }

    private static let aside = "journal.damaged-"

    static func putAside(_ layout: StoreLayout, _ files: any FileSystem) throws -> String {
        let (path, taken) = try nextAside(layout, files)
        for suffix in journalSuffixes where files.status(layout.journal + suffix) != nil {
            try files.rename(layout.journal + suffix, to: path + suffix)
        }
        for old in taken.dropLast(AgentStoreLimits.keptAside - 1) {
            for suffix in journalSuffixes { try files.remove("\(layout.root)/\(aside)\(old).sqlite\(suffix)") }
        }
        try files.synchronizeFolder(layout.root)
        return path
    }

    /// A database in WAL mode is up to three files.
    ///
    /// The first goes first: without its log it would be an older journal, whereas a log without it is dropped.
    static let journalSuffixes = ["", "-wal", "-shm"]

    /// Fills a new journal from what else is on the disk, and says last that it is complete. Numbers must not fall, or
    /// old assignments could be replayed.
    static func rebuild(
        _ journal: Journal, _ origin: JournalOrigin, _ generations: GenerationStore, _ layout: StoreLayout,
        _ files: any FileSystem
    ) async throws -> [SlotName] {
        try await journal.startSequences(above: origin.floor)
        let records = try await generations.recover()
        for record in records { try await journal.save(record, transition: nil) }
        var highest = records.flatMap(\.kept).map(\.assigned).max() ?? 0
        let (number, issued) = factsOfAssignment(layout, files)
        highest = max(highest, number ?? 0)
        if let issued { try await journal.raise(.signedTime, to: issued.milliseconds) }
        try await journal.raise(.assignmentNumber, to: highest)
        try await journal.setFact(completeFact, [1])
        return records.map(\.slot)
    }

    /// A copy that cannot be read, or is longer than any assignment, tells nothing; the generations' numbers still
    /// hold.
    private static func factsOfAssignment(
        _ layout: StoreLayout, _ files: any FileSystem
    ) -> (number: Int64?, issued: Timestamp?) {
        do {
            guard let bytes = try files.contents(of: layout.assignment, limit: Limits.assignmentBytes) else {
                return (nil, nil)
            }
            let signed = try JSONValue(parsing: bytes)["signed"]
            return (signed?["number"]?.integer, try signed?["issued"]?.string.map { try Timestamp($0) })
        } catch {
            return (nil, nil)
        }
    }
}

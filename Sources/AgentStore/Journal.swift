internal import Glibc
package import MartletTypes

/// What the agent must not forget: slots, the highest accepted numbers, reports and measurements that wait.
///
/// Every change is on the disk when its call returns (write-ahead log, synchronised). Runs on a thread of its own.
package actor Journal {
    /// The form of journal that this agent writes; an older agent refuses a newer one.
    package static var form: Int { JournalSchema.steps.count }

    package nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    /// Random at the journal's creation.
    package nonisolated let identity: JournalID
    private(set) var database: SQLiteDatabase
    /// Measurements up to this one were sent; they leave the disk with the next write of measurements.
    var sentMeasurements: Int64 = 0
    private let thread: StorageThread
    private let health: StoreHealth?

    /// Opens the journal, or makes one. Blocks; throws `journalUnusable` where it is damaged.
    ///
    /// `health` is told how writes go; where it is suspended the journal is opened for reading alone, and every write
    /// throws `readOnly` until `reopen`.
    package init(
        path: String, thread: StorageThread = .documents, health: StoreHealth? = nil,
        random: () -> [UInt8] = Journal.randomIdentity
    ) throws(AgentStoreError) {
        let database = try Self.open(path, health, isReadOnly: health?.isSuspended ?? false)
        // The journal holds a few hundred rows: a check of all pages costs milliseconds.
        let findings = try database.rows("PRAGMA quick_check(1)") { $0.text(0) }
        guard findings == ["ok"] else {
            throw AgentStoreError(.journalUnusable, "The journal \(path) is damaged: \(findings.first ?? "").")
        }
        try JournalSchema.migrate(database)
        try JournalSchema.check(database)
        identity = try Self.identity(in: database, random: random)
        self.database = database
        self.thread = thread
        self.health = health
    }

    /// The file that it is in.
    var path: String { database.path }

    /// Opens at `target` for writing what was opened for reading alone, there or as a stand-in, and sees to it that
    /// generations are numbered above `highest`. Throws why that is still not possible; the journal is then read as
    /// before.
    func reopen(at target: String, above highest: Int64) throws(AgentStoreError) {
        guard database.isReadOnly else { return }
        let path = database.path
        // Before the other is opened: closing a file lets go of all locks that this process has on it.
        database.close()
        do throws(AgentStoreError) {
            database = try Self.open(target, health, isReadOnly: false)
            try JournalSchema.migrate(database)
            try raise(.nextGeneration, to: highest + 1)
        } catch {
            database.close()
            database = try Self.open(path, health, isReadOnly: true)
            throw error
        }
    }

    private static func open(
        _ path: String, _ health: StoreHealth?, isReadOnly: Bool
    ) throws(AgentStoreError) -> SQLiteDatabase {
        guard isReadOnly else { return try SQLiteDatabase(path: path, health: health) }
        return try SQLiteDatabase(reading: path, hasLog: access(path + "-wal", F_OK) == 0)
    }

    /// Ends the use of the file. Nothing else may be called after it.
    package func close() {
        do {
            try forgetSentMeasurements()
        } catch {
            // They are sent again, and the registry knows them by their number.
        }
        database.close()
    }

    private static func identity(
        in database: SQLiteDatabase, random: () -> [UInt8]
    ) throws(AgentStoreError) -> JournalID {
        let known = try database.rows("SELECT value FROM fact WHERE name = 'journal'") { $0.blob(0) }.first
        let bytes = known ?? random()
        let identity: JournalID
        do {
            identity = try JournalID(Hex.encode(bytes))
        } catch {
            throw AgentStoreError(.journalUnusable, "The journal's identity has \(bytes.count) bytes.")
        }
        if known == nil {
            try database.execute("INSERT INTO fact (name, value) VALUES ('journal', ?)", [.blob(bytes)])
        }
        return identity
    }

    /// Sixteen bytes of the kernel's generator.
    package static func randomIdentity() -> [UInt8] {
        (0..<16).map { _ in UInt8.random(in: .min ... .max) }
    }
}

// MARK: Facts

extension Journal {
    /// Single values that rise and never fall.
    package enum Mark: String, Sendable {
        /// The highest accepted number of an assignment.
        case assignmentNumber
        /// The newest time that a verified signature vouched for, in milliseconds since 1970.
        case signedTime
        /// The number that the next generation gets.
        case nextGeneration
    }

    /// The mark's value; 0 where it was never set.
    package func mark(_ mark: Mark) throws(AgentStoreError) -> Int64 {
        guard let bytes = try fact(mark.rawValue) else { return 0 }
        return Int64(String(decoding: bytes, as: UTF8.self)) ?? 0
    }

    /// Raises the mark; a lower value changes nothing.
    package func raise(_ mark: Mark, to value: Int64) throws(AgentStoreError) {
        guard try value > self.mark(mark) else { return }
        try setFact(mark.rawValue, Array(String(value).utf8))
    }

    /// Sets the mark back to 0: what it counted is counted anew.
    package func reset(_ mark: Mark) throws(AgentStoreError) { try setFact(mark.rawValue, Array("0".utf8)) }

    /// A number that no generation on this device has had.
    package func nextGeneration() throws(AgentStoreError) -> GenerationID {
        let number = try max(1, mark(.nextGeneration))
        try raise(.nextGeneration, to: number + 1)
        return GenerationID(number)
    }

    /// A named document, e.g. the inventory that was sent last; nil where there is none.
    package func fact(_ name: String) throws(AgentStoreError) -> [UInt8]? {
        try database.rows("SELECT value FROM fact WHERE name = ?", [.text(name)]) { $0.blob(0) }.first
    }

    /// Sets a named document.
    package func setFact(_ name: String, _ value: [UInt8]) throws(AgentStoreError) {
        try database.execute(
            "INSERT INTO fact (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            [.text(name), .blob(value)])
    }
}

/// The journal's tables. Numbered, append-only: a newer agent adds steps, an older one refuses a newer journal.
enum JournalSchema {
    static let steps = [
        """
        CREATE TABLE fact (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
        CREATE TABLE slot (name TEXT PRIMARY KEY, record BLOB NOT NULL) WITHOUT ROWID;
        CREATE TABLE evaluation (
            release TEXT NOT NULL, variant TEXT NOT NULL, result BLOB NOT NULL, time INTEGER NOT NULL,
            PRIMARY KEY (release, variant)
        ) WITHOUT ROWID;
        CREATE TABLE report (sequence INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL);
        CREATE TABLE telemetry (sequence INTEGER PRIMARY KEY AUTOINCREMENT, size INTEGER NOT NULL, body BLOB NOT NULL);
        CREATE TABLE transition (
            number INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, slot TEXT NOT NULL,
            before TEXT NOT NULL, after TEXT NOT NULL, cause TEXT NOT NULL
        );
        """
    ]

    /// Throws `journalUnusable` where the tables are not those that the steps make: a damaged schema is still a
    /// schema to
    /// SQLite, and would fail at the first statement that needs the damaged part.
    static func check(_ database: SQLiteDatabase) throws(AgentStoreError) {
        let model = try SQLiteDatabase(path: ":memory:")
        defer { model.close() }
        try migrate(model)
        let query = "SELECT coalesce(sql, name) FROM sqlite_master ORDER BY name"
        guard try database.rows(query, [], { $0.text(0) }) == model.rows(query, [], { $0.text(0) }) else {
            throw AgentStoreError(.journalUnusable, "The journal's tables are not those that this agent makes.")
        }
    }

    /// Brings a new or older journal to this agent's form.
    static func migrate(_ database: SQLiteDatabase) throws(AgentStoreError) {
        let version = try database.rows("PRAGMA user_version") { Int($0.integer(0)) }.first ?? 0
        guard version <= steps.count else {
            throw AgentStoreError(
                .journalTooNew, "The journal has form \(version) and this agent knows forms up to \(steps.count).")
        }
        for (index, step) in steps.enumerated().dropFirst(version) {
            try database.transaction { () throws(AgentStoreError) in
                try database.run(step)
                try database.run("PRAGMA user_version = \(index + 1)")
            }
        }
    }
}

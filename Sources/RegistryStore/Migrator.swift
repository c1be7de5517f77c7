package import MartletTypes
internal import RegistryAssets

/// One numbered step of the schema.
package struct Migration: Sendable, Hashable {
    /// From 1, without gaps.
    package let number: Int64
    /// The file name without number and `.sql`.
    package let name: String
    /// The statements.
    package let sql: String

    package init(number: Int64, name: String, sql: String) {
        self.number = number
        self.name = name
        self.sql = sql
    }

    /// The hash by which a change to an applied step is found.
    var digest: Digest { Digest.of(Array(sql.utf8)) }

    /// The steps in `files`, which holds texts by path such as `migrations/0001_initial.sql`; throws `badMigration`
    /// where a name has another form or a number is missing or double.
    package static func all(in files: [String: String]) throws -> [Migration] {
        var migrations: [Migration] = []
        for (path, sql) in files where path.hasPrefix("migrations/") && path.hasSuffix(".sql") {
            let stem = path.dropFirst("migrations/".count).dropLast(".sql".count)
            let parts = stem.split(separator: "_", maxSplits: 1)
            guard parts.count == 2, parts[0].count == 4, let number = Int64(parts[0]) else {
                throw StoreError(.badMigration, "\(path) is not named NNNN_name.sql.")
            }
            migrations.append(Migration(number: number, name: String(parts[1]), sql: sql))
        }
        migrations.sort { $0.number < $1.number }
        for (index, migration) in migrations.enumerated() where migration.number != Int64(index + 1) {
            throw StoreError(.badMigration, "Migration \(index + 1) is missing or double.")
        }
        return migrations
    }

    /// The steps that this program ships.
    package static func shipped() throws -> [Migration] {
        var files: [String: String] = [:]
        for path in RegistryAssets.paths(under: "migrations") { files[path] = RegistryAssets.text(path) }
        return try all(in: files)
    }
}

/// Brings a database to the schema of this program. Steps are only ever appended; a changed or unknown one is refused.
package struct Migrator: Sendable {
    private let migrations: [Migration]

    package init(_ migrations: [Migration]) { self.migrations = migrations }

    /// Applies what is missing, each step in a transaction of its own; returns the numbers that were applied.
    ///
    /// `protect` is called with the first number before anything of a schema that was there already is changed.
    package func run(
        on database: some Database, now: Timestamp, protect: (Int64) async throws -> Void = { _ in }
    ) async throws -> [Int64] {
        let applied = try await database.write { sql in
            try sql.executeScript(
                """
                CREATE TABLE IF NOT EXISTS schema_migrations (
                    number BIGINT PRIMARY KEY,
                    name TEXT NOT NULL,
                    digest TEXT NOT NULL,
                    applied BIGINT NOT NULL
                )
                """)
            return try sql.query("SELECT number, name, digest FROM schema_migrations ORDER BY number", []).map {
                (number: try $0.integer("number"), name: try $0.text("name"), digest: try $0.text("digest"))
            }
        }
        for row in applied {
            guard let migration = migrations.first(where: { $0.number == row.number }) else {
                throw StoreError(
                    .schemaTooNew, "The database has step \(row.number) (\(row.name)), which is unknown here.",
                    step: row.number)
            }
            guard migration.digest.text == row.digest else {
                throw StoreError(
                    .migrationChanged, "Step \(row.number) (\(row.name)) was changed after it had been applied.")
            }
        }
        let missing = migrations.filter { migration in !applied.contains { $0.number == migration.number } }
        if let first = missing.first, !applied.isEmpty { try await protect(first.number) }
        for migration in missing {
            try await database.write { sql in
                try sql.executeScript(migration.sql)
                try sql.execute(
                    "INSERT INTO schema_migrations (number, name, digest, applied) VALUES (?, ?, ?, ?)",
                    [
                        .integer(migration.number), .text(migration.name), .text(migration.digest.text), .time(now),
                    ])
            }
        }
        return missing.map(\.number)
    }
}

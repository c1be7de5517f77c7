import Foundation
import MartletTypes
import TestSupport
import Testing

@testable import RegistryStore

@Suite("The database")
struct DatabaseTests {
    @Test("takes back all of a transaction that throws")
    func rollsBack() async throws {
        let fixture = try await StoreFixture()
        let device = try await fixture.enrol("pi-1")
        let code = await code {
            try await fixture.database.write { sql in
                try DeviceStore(sql).setState(device, .held, reason: "x")
                throw StoreError(.conflict, "stop")
            }
        }
        #expect(code == .conflict)
        let row = try await fixture.database.read { try DeviceStore($0).find(device) }
        #expect(row?.state == .active)
    }

    @Test("refuses what the schema forbids: a wrong state, a dangling reference, a doubled key")
    func invariants() async throws {
        let fixture = try await StoreFixture()
        let statements = [
            """
            INSERT INTO devices (device, labels, state, enrolled, journal, certificate_expires)
            VALUES ('d', '{}', 'odd', 1, 'j', 1)
            """,
            "INSERT INTO tags (repository, tag, digest, updated) VALUES ('a/b', 't', 'sha256:0', 1)",
            "INSERT INTO tuf_current (role, version) VALUES ('root', 7)",
            "INSERT INTO counters (name, value) VALUES ('x', 0)",
            """
            INSERT INTO releases (repository, version, version_key, index_digest, length, published)
            VALUES ('a/b', '1.0.0', 'k', 'd', 1, 1)
            """,
        ]
        for statement in statements {
            let code = await code { try await fixture.database.write { try $0.execute(statement, []) } }
            #expect(code == .conflict, "\(statement)")
        }
    }

    @Test("keeps every kind of value as it was, but for the zero byte that no engine keeps in a text")
    func values() async throws {
        let fixture = try await StoreFixture()
        let row = try await fixture.database.read {
            try $0.first(
                "SELECT ? AS a, ? AS b, ? AS c, ? AS d, ? AS e",
                [.null, .integer(.max), .real(0.5), .text("ü\u{0}x'🦆"), .blob([0, 255])])
        }
        #expect(try row?.value("a") == .null)
        #expect(try row?.integer("b") == .max)
        #expect(try row?.optionalReal("c") == 0.5)
        #expect(try row?.text("d") == "ü\u{FFFD}x'🦆")
        #expect(try row?.blob("e") == [0, 255])
    }

    @Test("says which column is wrong instead of guessing")
    func wrongColumns() async throws {
        let fixture = try await StoreFixture()
        let row = try #require(try await fixture.database.read { try $0.first("SELECT 'Not A Name' AS a", []) })
        #expect(throws: StoreError(.corrupt, "")) { try row.integer("a") }
        #expect(throws: StoreError(.corrupt, "")) { try row.name("a", DeviceID.self) }
        #expect(throws: StoreError(.corrupt, "")) { try row.json("a", Labels.self) }
        #expect(throws: StoreError(.corrupt, "")) { try row.choice("a", DeviceState.self) }
        #expect(throws: StoreError(.corrupt, "")) { try row.text("absent") }
    }

    @Test("reports a damaged file as damaged")
    func damaged() async throws {
        let folder = try TemporaryFolder()
        let path = folder.file("x.sqlite")
        try Data(repeating: 7, count: 8192).write(to: URL(fileURLWithPath: path))
        #expect(throws: StoreError(.corrupt, "")) { try SQLiteDatabase(path: path) }
        #expect(throws: StoreError(.ioFailed, "")) { try SQLiteDatabase(path: folder.file("no/such/folder/x.sqlite")) }
    }

    @Test("a backup taken while it is written to is whole and opens by itself")
    func backup() async throws {
        let fixture = try await StoreFixture()
        try await fixture.enrol("pi-1")
        let copy = fixture.folder.file("copy.sqlite")
        async let writing: Void = { for number in 2...20 { try await fixture.enrol("pi-\(number)") } }()
        try await fixture.database.backup(to: copy)
        try await writing
        let restored = try SQLiteDatabase(path: copy)
        #expect(try await Migrator(Migration.shipped()).run(on: restored, now: fixture.now).isEmpty)
        let first = try DeviceID("pi-1")
        #expect(try await restored.read { try DeviceStore($0).find(first) } != nil)
    }

    @Test("counters have no gaps, also after a transaction that was taken back")
    func counters() async throws {
        let fixture = try await StoreFixture()
        #expect(try await fixture.database.write { try $0.next("c") } == 1)
        _ = await code {
            try await fixture.database.write { sql in
                _ = try sql.next("c")
                throw StoreError(.conflict, "")
            }
        }
        #expect(try await fixture.database.write { try $0.next("c") } == 2)
    }
}

@Suite("Migrations")
struct MigratorTests {
    private let now = Timestamp(seconds: 1)

    private func database() throws -> (TemporaryFolder, SQLiteDatabase) {
        let folder = try TemporaryFolder()
        return (folder, try SQLiteDatabase(path: folder.file("m.sqlite")))
    }

    @Test("bring an empty file to the schema, once")
    func fromEmpty() async throws {
        let (folder, database) = try database()
        let migrator = Migrator(try Migration.shipped())
        #expect(try await migrator.run(on: database, now: now).first == 1)
        #expect(try await migrator.run(on: database, now: now).isEmpty)
        _ = folder
    }

    @Test("apply what is new on top of what is there, and take back a step that fails")
    func append() async throws {
        let (folder, database) = try database()
        let one = Migration(number: 1, name: "one", sql: "CREATE TABLE a (x BIGINT)")
        let two = Migration(number: 2, name: "two", sql: "CREATE TABLE b (x BIGINT); INSERT INTO b VALUES (1)")
        let bad = Migration(number: 3, name: "bad", sql: "CREATE TABLE c (x BIGINT); INSERT INTO nowhere VALUES (1)")
        #expect(try await Migrator([one]).run(on: database, now: now) == [1])
        #expect(await code { try await Migrator([one, two, bad]).run(on: database, now: now) } == .ioFailed)
        #expect(try await Migrator([one, two]).run(on: database, now: now).isEmpty)
        let left = try await database.read { try $0.query("SELECT name FROM sqlite_master WHERE name = 'c'", []) }
        #expect(left.isEmpty)
        _ = folder
    }

    @Test("refuse a step that was changed after it was applied, and a database from a newer program")
    func appendOnly() async throws {
        let (folder, database) = try database()
        let one = Migration(number: 1, name: "one", sql: "CREATE TABLE a (x BIGINT)")
        let two = Migration(number: 2, name: "two", sql: "CREATE TABLE b (x BIGINT)")
        _ = try await Migrator([one, two]).run(on: database, now: now)
        let changed = Migration(number: 1, name: "one", sql: "CREATE TABLE a (y BIGINT)")
        #expect(await code { try await Migrator([changed, two]).run(on: database, now: now) } == .migrationChanged)
        #expect(await code { try await Migrator([one]).run(on: database, now: now) } == .schemaTooNew)
        _ = folder
    }

    @Test(
        "refuse file names that leave their order in doubt",
        arguments: [
            ["migrations/1_a.sql"], ["migrations/0001a.sql"], ["migrations/0002_b.sql"],
            ["migrations/0001_a.sql", "migrations/0001_b.sql"], ["migrations/0001_a.sql", "migrations/0003_c.sql"],
        ])
    func names(_ paths: [String]) {
        let files = Dictionary(uniqueKeysWithValues: paths.map { ($0, "") })
        #expect(throws: StoreError(.badMigration, "")) { try Migration.all(in: files) }
    }

    @Test("use no SQL that only one engine understands")
    func portable() throws {
        let foreign = [
            "AUTOINCREMENT", "WITHOUT ROWID", "STRICT", "datetime(", "strftime(", " BLOB", "PRAGMA", "IFNULL(",
        ]
        for migration in try Migration.shipped() {
            for word in foreign { #expect(!migration.sql.contains(word), "\(migration.name): \(word)") }
        }
    }
}

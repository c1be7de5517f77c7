import Foundation
import Glibc
import MartletTypes
import RegistryStore
import TestSupport
import Testing

@Suite("The copy that is made before a database's schema is changed")
struct SchemaCopiesTests {
    private let now = Timestamp(seconds: 1)

    /// Steps that each make a table and add a row to the first one.
    private static func steps(_ count: Int64) -> [Migration] {
        (1...count).map { number in
            let sql = "CREATE TABLE t\(number) (x BIGINT); INSERT INTO t1 VALUES (\(number))"
            return Migration(number: number, name: "step\(number)", sql: sql)
        }
    }

    private func migrate(_ path: String, to count: Int64) async throws -> [Int64] {
        let database = try SQLiteDatabase(path: path)
        let result: Result<[Int64], any Error>
        do {
            result = .success(
                try await Migrator(Self.steps(count)).run(on: database, keepingCopyOf: path, now: now))
        } catch {
            result = .failure(error)
        }
        try database.close()
        return try result.get()
    }

    private func rows(_ path: String) async throws -> Int64? {
        let database = try SQLiteDatabase(path: path)
        let rows = try await database.read { try $0.first("SELECT COUNT(*) AS c FROM t1", [])?.integer("c") }
        try database.close()
        return rows
    }

    private func copies(_ folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder)
            .filter { $0.contains(".before") && !$0.hasSuffix("-wal") && !$0.hasSuffix("-shm") }.sorted()
    }

    @Test("is what the database was, readable by its owner alone; a new database and a start without steps need none")
    func copy() async throws {
        let folder = try TemporaryFolder()
        let path = folder.file("r.sqlite")
        #expect(try await migrate(path, to: 1) == [1])
        #expect(try await migrate(path, to: 1).isEmpty)
        #expect(try copies(folder.path).isEmpty)
        // A process that died has left half of one.
        try Data([1]).write(to: URL(fileURLWithPath: path + ".before.new"))
        #expect(try await migrate(path, to: 3) == [2, 3])
        #expect(try copies(folder.path) == ["r.sqlite.before-0002"])
        let copy = path + ".before-0002"
        #expect(try FileManager.default.attributesOfItem(atPath: copy)[.posixPermissions] as? Int == 0o600)
        #expect(try await rows(copy) == 1)
        #expect(try await rows(path) == 3)
        #expect(try await migrate(copy, to: 1).isEmpty, "the former program runs on it")
    }

    @Test("is kept for the last two upgrades")
    func kept() async throws {
        let folder = try TemporaryFolder()
        let path = folder.file("r.sqlite")
        for count in Int64(1)...4 { _ = try await migrate(path, to: count) }
        #expect(try copies(folder.path) == ["r.sqlite.before-0003", "r.sqlite.before-0004"])
    }

    @Test("counts no other file, and goes with the files that SQLite made beside it")
    func others() async throws {
        let folder = try TemporaryFolder()
        let path = folder.file("r.sqlite")
        let own = ["before-upgrade", "before-0002.gz", "before-", "before-2b"]
        for name in own { try Data([1]).write(to: URL(fileURLWithPath: path + "." + name)) }
        for count in Int64(1)...2 { _ = try await migrate(path, to: count) }
        // Somebody has looked into it.
        for end in ["-wal", "-shm"] { try Data([1]).write(to: URL(fileURLWithPath: path + ".before-0002" + end)) }
        for count in Int64(3)...5 { _ = try await migrate(path, to: count) }
        let left = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.contains(".before") }
        #expect(Set(left) == Set((["before-0004", "before-0005"] + own).map { "r.sqlite." + $0 }))
    }

    @Test("is named to the program that finds a schema it does not know, where it leads back to one that it knows")
    func named() async throws {
        let folder = try TemporaryFolder()
        let path = folder.file("r.sqlite")
        _ = try await migrate(path, to: 2)
        _ = try await migrate(path, to: 3)
        let error = await #expect(throws: StoreError.self) { _ = try await migrate(path, to: 2) }
        #expect(error?.kind == .schemaTooNew && error?.remedy.contains(path + ".before-0003") == true)
        let older = await #expect(throws: StoreError.self) { _ = try await migrate(path, to: 1) }
        #expect(older?.kind == .schemaTooNew && older?.remedy.contains("before-") == false)
        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.moveItem(atPath: path + ".before-0003", toPath: path)
        #expect(try await migrate(path, to: 2).isEmpty)
    }

    @Test(
        "needs room, and without it nothing is changed",
        .enabled(if: SmallDisk.isPossible, "a small tmpfs can be mounted only by root outside a sandbox"))
    func noRoom() async throws {
        let disk = try SmallDisk(kibibytes: 400)
        let path = disk.path + "/r.sqlite"
        _ = try await migrate(path, to: 1)
        let database = try SQLiteDatabase(path: path)
        try await database.write { sql in
            try sql.executeScript("CREATE TABLE big (x BLOB); INSERT INTO big VALUES (zeroblob(180000))")
        }
        try database.close()
        let error = await #expect(throws: StoreError.self) { _ = try await migrate(path, to: 2) }
        #expect(error?.kind == .diskFull)
        #expect(error?.remedy.contains("former program") == true)
        #expect(try copies(disk.path).isEmpty)
        #expect(try await migrate(path, to: 1).isEmpty, "the former program runs")
        #expect(try await rows(path) == 1)
    }
}

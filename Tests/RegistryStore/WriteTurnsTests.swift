import MartletTypes
import TestSupport
import Testing

@testable import RegistryStore

@Suite("Writes that share a transaction")
struct WriteTurnsTests {
    private func prepared() async throws -> StoreFixture {
        let fixture = try await StoreFixture()
        _ = try await fixture.database.write {
            try $0.executeScript("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
        }
        return fixture
    }

    private func ids(_ fixture: StoreFixture) async throws -> Set<Int64> {
        let rows = try await fixture.database.read { try $0.query("SELECT id FROM notes", []) }
        return Set(try rows.map { try $0.integer("id") })
    }

    @Test("of many at once those that throw leave nothing, and all others are there")
    func many() async throws {
        let fixture = try await prepared()
        let kept = await withTaskGroup(of: Int64?.self) { group in
            for id in Int64(1)...500 {
                group.addTask {
                    do {
                        return try await fixture.database.write { sql in
                            try sql.execute("INSERT INTO notes (id, text) VALUES (?, 'x')", [.integer(id)])
                            // After its row was written, so that it must be taken back.
                            if id.isMultiple(of: 3) { throw StoreError(.conflict, "every third") }
                            return id
                        }
                    } catch {
                        return nil
                    }
                }
            }
            return await group.reduce(into: Set<Int64>()) { kept, id in if let id { kept.insert(id) } }
        }
        #expect(kept == Set((Int64(1)...500).filter { !$0.isMultiple(of: 3) }))
        #expect(try await ids(fixture) == kept)
        // Also for who opens the file anew.
        let again = try fixture.reopened()
        #expect(try await again.read { try $0.query("SELECT id FROM notes", []).count } == kept.count)
    }

    @Test("each sees what those before it wrote, and a constraint that fails is the fault of one alone")
    func order() async throws {
        let fixture = try await prepared()
        let codes = await withTaskGroup(of: StoreError.Code?.self) { group in
            for _ in 0..<100 {
                group.addTask {
                    await code {
                        try await fixture.database.write { sql in
                            let last = try sql.first("SELECT MAX(id) AS last FROM notes", [])
                            let next = (try last?.optionalInteger("last") ?? 0) + 1
                            try sql.execute("INSERT INTO notes (id, text) VALUES (?, 'x')", [.integer(next)])
                        }
                    }
                }
                group.addTask {
                    await code {
                        try await fixture.database.write { sql in
                            try sql.execute("INSERT INTO notes (id, text) VALUES (1000, NULL)", [])
                        }
                    }
                }
            }
            return await group.reduce(into: [StoreError.Code?]()) { $0.append($1) }
        }
        #expect(codes.count { $0 == nil } == 100 && codes.count { $0 == .conflict } == 100)
        #expect(try await ids(fixture) == Set(1...100))
    }

    @Test("a disk that is full fails those that share its transaction, says so, and keeps what was answered before")
    func full() async throws {
        let fixture = try await prepared()
        try await fixture.database.write { sql in
            let pages = try sql.first("PRAGMA page_count", [])?.integer("page_count") ?? 0
            _ = try sql.query("PRAGMA max_page_count = \(pages + 40)", [])
        }
        let text = String(repeating: "m", count: 3000)
        let results = await withTaskGroup(of: (Int64, StoreError.Code?).self) { group in
            for id in Int64(1)...200 {
                group.addTask {
                    let kind = await code {
                        try await fixture.database.write { sql in
                            try sql.execute(
                                "INSERT INTO notes (id, text) VALUES (?, ?)", [.integer(id), .text(text)])
                        }
                    }
                    return (id, kind)
                }
            }
            return await group.reduce(into: [Int64: StoreError.Code?]()) { $0[$1.0] = .some($1.1) }
        }
        #expect(results.count == 200)
        #expect(results.values.allSatisfy { $0 == nil || $0 == .diskFull })
        #expect(results.values.contains { $0 == .diskFull })
        #expect(try await ids(fixture) == Set(results.filter { $0.value == nil }.keys))
        // Where there is room again it goes on.
        try await fixture.database.write { _ = try $0.query("PRAGMA max_page_count = 1000000", []) }
        _ = try await fixture.database.write {
            try $0.execute("INSERT INTO notes (id, text) VALUES (9999, ?)", [.text(text)])
        }
        #expect(try await ids(fixture).contains(9999))
    }
}

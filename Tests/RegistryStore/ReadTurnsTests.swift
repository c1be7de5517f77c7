import Dispatch
import MartletTypes
import TestSupport
import Testing

@testable import RegistryStore

@Suite("Reads that take turns on few threads")
struct ReadTurnsTests {
    private func prepared() async throws -> StoreFixture {
        let fixture = try await StoreFixture()
        _ = try await fixture.database.write {
            try $0.executeScript("CREATE TABLE notes (id INTEGER PRIMARY KEY)")
        }
        return fixture
    }

    private func last(_ database: SQLiteDatabase) async throws -> Int64 {
        try await database.read {
            try $0.first("SELECT MAX(id) AS last FROM notes", [])?.optionalInteger("last") ?? 0
        }
    }

    @Test("each of hundreds sees all that was written before it was asked for")
    func freshness() async throws {
        let fixture = try await prepared()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<10 {
                        let written = try await fixture.database.write { sql in
                            try sql.execute("INSERT INTO notes DEFAULT VALUES", [])
                            return try sql.first("SELECT MAX(id) AS last FROM notes", [])?.integer("last") ?? 0
                        }
                        let seen = try await last(fixture.database)
                        #expect(seen >= written)
                    }
                }
                group.addTask {
                    for _ in 0..<50 { _ = try await last(fixture.database) }
                }
            }
            try await group.waitForAll()
        }
        #expect(try await last(fixture.database) == 80)
    }

    @Test("one that throws fails alone, and a read cannot write")
    func failures() async throws {
        let fixture = try await prepared()
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<200 {
                group.addTask {
                    let error = await #expect(throws: StoreError.self) {
                        try await fixture.database.read { _ in throw StoreError(.conflict, "\(number)") }
                    }
                    #expect(error?.message == "\(number)")
                    #expect(await code { try await fixture.database.read { _ in } } == nil)
                }
            }
        }
        await #expect(throws: StoreError.self) {
            try await fixture.database.read { try $0.execute("INSERT INTO notes DEFAULT VALUES", []) }
        }
        #expect(try await last(fixture.database) == 0)
    }

    @Test("one that takes long holds up no other")
    func slowOne() async throws {
        let fixture = try await prepared()
        let gate = DispatchSemaphore(value: 0)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 1..<StoreLimits.readers {
                group.addTask { try await fixture.database.read { _ in gate.wait() } }
            }
            for _ in 0..<50 { _ = try await last(fixture.database) }
            for _ in 1..<StoreLimits.readers { gate.signal() }
            try await group.waitForAll()
        }
    }

    @Test("a task that was cancelled is not served")
    func cancelled() async throws {
        let fixture = try await prepared()
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            return try await last(fixture.database)
        }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }
}

import Foundation
import MartletTypes
import TestSupport
import Testing

@testable import RegistryStore

@Suite("After a power cut")
struct PowerLossTests {
    /// What a database holds, as far as its parts must agree.
    private struct Picture: Equatable {
        var number: Int64
        var history: Int
        var audit: Int64
        var revision: Int64
    }

    private func picture(_ database: SQLiteDatabase, _ device: DeviceID) async throws -> Picture {
        try await database.read { sql in
            #expect(try AuditLog(sql).finding() == nil)
            return Picture(
                number: try AssignmentStore(sql).number(of: device) ?? -1,
                history: try AssignmentStore(sql).history(of: device).count, audit: try AuditLog(sql).size(),
                revision: try ChangeLog(sql).revision())
        }
    }

    @Test("every transaction is there whole or not at all, wherever the log was cut or damaged")
    func cutLog() async throws {
        let fixture = try await StoreFixture()
        let device = try await fixture.enrol("pi-1")
        let release = try await fixture.publish("a/b/1.0.0")
        let move = try fixture.move(device, "s", [release])
        for _ in 0..<20 {
            try await fixture.database.write { sql in
                try AssignmentStore(sql).setDesired([move], now: fixture.now)
                _ = try AuditLog(sql).append(actor: "ann", action: "x", subject: "pi-1", now: fixture.now)
            }
        }
        let file = try Data(contentsOf: URL(fileURLWithPath: fixture.folder.file("registry.sqlite")))
        let log = try Data(contentsOf: URL(fileURLWithPath: fixture.folder.file("registry.sqlite-wal")))
        try #require(log.count > 100_000, "the transactions are still in the log")
        var seen: Set<Int64> = []
        // The cuts stand in the last part of the log, where the schema is there already.
        for round in 0..<40 {
            let scratch = try TemporaryFolder()
            let cut = log.count - round * log.count / 100
            var damaged = log.prefix(cut)
            if round.isMultiple(of: 4), cut > 9000 { damaged[cut - 9000] ^= 0x40 }
            try file.write(to: URL(fileURLWithPath: scratch.file("r.sqlite")))
            try Data(damaged).write(to: URL(fileURLWithPath: scratch.file("r.sqlite-wal")))
            let database = try SQLiteDatabase(path: scratch.file("r.sqlite"))
            let found = try await picture(database, device)
            #expect(
                found
                    == Picture(
                        number: found.number, history: Int(found.number), audit: found.number, revision: found.number))
            seen.insert(found.number)
            try database.close()
        }
        #expect(seen.contains(20) || seen.contains(19))
        #expect(seen.count > 3)
    }
}

import CSQLite
import Foundation
import MartletAPI
import MartletTypes
import TestSupport
import Testing
import Trust

/// `martlet audit verify|export` against a registry whose database somebody changes behind its back.
@Suite("The audit log", .serialized)
struct AuditTests {
    /// What is done to the file, the row that must be named, and the code.
    static let tampering: [(what: String, script: String, row: Int, code: String)] = [
        ("edits a row", "UPDATE audit SET actor = 'nobody' WHERE number = 3", 3, "auditEdited"),
        ("edits a row's detail", "UPDATE audit SET detail = '{\"x\":1}' WHERE number = 4", 4, "auditEdited"),
        ("deletes a row", "DELETE FROM audit WHERE number = 2", 2, "auditDeleted"),
        (
            "reorders rows",
            "UPDATE audit SET number = -1 WHERE number = 2; UPDATE audit SET number = 2 WHERE number = 3; "
                + "UPDATE audit SET number = 3 WHERE number = -1", 2, "auditEdited"
        ),
        (
            "puts a row in",
            "UPDATE audit SET number = -number WHERE number > 2; "
                + "UPDATE audit SET number = 1 - number WHERE number < 0; "
                + "INSERT INTO audit SELECT 3, time, 'x', action, subject, detail, hash FROM audit WHERE number = 2",
            3, "auditEdited"
        ),
        ("cuts the end off", "DELETE FROM audit WHERE number > 4", 5, "auditTruncated"),
    ]
    static let zeros = String(repeating: "0", count: 64)

    @Test("is verified online and from a file; every change in the database is found and the row is named")
    func tampered() async throws {
        let site = try Site("audit")
        try await site.startRegistry()
        try await site.initializeTrust()
        for name in ["a", "b", "c", "d"] {
            try await site.martlet("fleets", "set", name, "--selector", "site=\(name)")
        }
        let database = try Tampering(site.registryData + "/registry.sqlite")
        let first = try await site.martlet("audit", "verify")
        #expect(first.output.contains("Nothing was remembered here before"))
        let export = site.folder.file("audit.jsonl")
        try await site.martlet("audit", "export", "--to", export)
        try await site.martlet("audit", "verify", "--file", export)
        try await exports(site, export)

        for (what, script, row, code) in Self.tampering {
            try database.run(script)
            let found = try await site.martlet(["audit", "verify", "--output", "json"], expecting: 76)
            #expect(found.errors.contains(code) && found.errors.contains("row \(row)"), "\(what): \(found.errors)")
            try database.restore()
            try await site.martlet("audit", "verify")
        }
        try database.run("UPDATE audit_nodes SET hash = '\(Self.zeros)' WHERE level = 2")
        let tree = try await site.martlet(["audit", "verify"], expecting: 76)
        #expect(tree.errors.contains("its tree was changed"), "\(tree.errors)")
        try database.restore()
        try await rewritten(site, database, export)
        try await site.martlet("fleets", "delete", "d")
        let quick = try await site.martlet("audit", "verify", "--quick")
        #expect(quick.output.contains("continue"))
        try await site.martlet("audit", "verify")
        try await site.stopRegistry()
    }

    /// A log with other rows and right hashes looks whole to a stranger, and not to who saw it before.
    private func rewritten(_ site: Site, _ database: Tampering, _ export: String) async throws {
        let rows = try await site.json([AuditRow].self, "audit", "list", "--limit", "1000").reversed()
        var frontier = AuditFrontier()
        var script = "DELETE FROM audit_nodes;"
        for row in rows {
            let actor = row.number == 3 ? "nobody" : row.actor
            let leaf = try AuditEntry(
                sequence: row.number, time: row.time, actor: actor, action: row.action, subject: row.subject,
                detail: row.detail
            ).leafHash()
            script += "UPDATE audit SET actor = '\(actor)', hash = '\(leaf.hex)' WHERE number = \(row.number);"
            for (place, hash) in frontier.append(leaf) where place.level > 0 {
                script += "INSERT INTO audit_nodes VALUES (\(place.level), \(place.index), '\(hash.hex)');"
            }
        }
        try database.run(script)
        let found = try await site.martlet(["audit", "verify", "--output", "json"], expecting: 76)
        #expect(found.errors.contains("auditRewritten") && found.errors.contains("row 3"), "\(found.errors)")
        let quick = try await site.martlet(["audit", "verify", "--quick"], expecting: 76)
        #expect(quick.errors.contains("cannot prove"), "\(quick.errors)")
        try await site.martlet(["audit", "export", "--to", export + ".forged"], expecting: 76)
        #expect(!FileManager.default.fileExists(atPath: export + ".forged"))
        let stranger = ["XDG_STATE_HOME": site.folder.file("stranger")]
        let blind = try await run(
            Checkout.product("martlet"), ["audit", "verify"],
            environment: site.operatorEnvironment.merging(stranger) { $1 })
        #expect(blind.status == 0, "who never saw the log cannot know; that is why exports are kept elsewhere")
        try await site.martlet("audit", "verify", "--file", export)
        try database.restore()
    }

    /// What was exported is checked without the registry, whole or from a row on, and as strictly.
    private func exports(_ site: Site, _ export: String) async throws {
        let lines = try String(contentsOfFile: export, encoding: .utf8).split(separator: "\n").map(String.init)
        let part = site.folder.file("part.jsonl")
        try await site.martlet("audit", "export", "--to", part, "--after", "3")
        try await site.martlet("audit", "verify", "--file", part)
        let partLines = try String(contentsOfFile: part, encoding: .utf8).split(separator: "\n").map(String.init)
        #expect(partLines.count == lines.count - 3)
        func edited(_ lines: [String], _ change: (inout [String]) -> Void) throws -> String {
            var copy = lines
            change(&copy)
            let path = site.folder.file("edited.jsonl")
            try copy.joined(separator: "\n").write(toFile: path, atomically: true, encoding: .utf8)
            return path
        }
        let cases: [(lines: [String], change: (inout [String]) -> Void, says: String)] = [
            (lines, { $0[2] = $0[2].replacing("admin", with: "nobody") }, "row 2"),
            (lines, { $0.remove(at: 3) }, "row 3"),
            (lines, { $0.swapAt(1, 2) }, "row 1"), (lines, { $0.removeLast() }, "row \(lines.count - 1)"),
            (lines, { $0.insert($0[2], at: 2) }, "row 2"), (lines, { $0[4] = "{}" }, "row 4"),
            (lines, { $0[0] = $0[0].replacing("\"size\":", with: "\"size\":1") }, "cannot be believed"),
            (partLines, { $0[1] = $0[1].replacing("admin", with: "nobody") }, "row 4"),
            (partLines, { $0[0] = $0[0].replacing("\"after\":3", with: "\"after\":2") }, "row 3"),
        ]
        for (lines, change, says) in cases {
            let path = try edited(lines, change)
            let found = try await site.martlet(["audit", "verify", "--file", path], expecting: 76)
            #expect(found.errors.contains(says), "\(found.errors)")
        }
        try await site.martlet(["audit", "verify", "--file", site.folder.file("none.jsonl")], expecting: 65)
        try await site.martlet(["audit", "export", "--to", part, "--after", "1000"], expecting: 65)
    }
}

/// Somebody who can write to the registry's database while it runs, and puts everything back.
private final class Tampering {
    private var handle: OpaquePointer?

    init(_ path: String) throws {
        guard sqlite3_open(path, &handle) == SQLITE_OK else { throw CocoaError(.fileReadUnknown) }
        sqlite3_busy_timeout(handle, 10_000)
        try run("CREATE TEMP TABLE rows AS SELECT * FROM audit; CREATE TEMP TABLE nodes AS SELECT * FROM audit_nodes")
    }

    deinit { sqlite3_close(handle) }

    func run(_ script: String) throws {
        var message: UnsafeMutablePointer<CChar>?
        guard sqlite3_exec(handle, "BEGIN IMMEDIATE; " + script + "; COMMIT", nil, nil, &message) == SQLITE_OK else {
            let text = message.map { String(cString: $0) } ?? ""
            sqlite3_exec(handle, "ROLLBACK", nil, nil, nil)
            throw NeverTrue(description: "\(script): \(text)")
        }
    }

    /// What stood there at first.
    func restore() throws {
        try run(
            "DELETE FROM audit; INSERT INTO audit SELECT * FROM temp.rows; DELETE FROM audit_nodes; "
                + "INSERT INTO audit_nodes SELECT * FROM temp.nodes")
    }
}

package import Foundation
import MartletTypes

/// `registry/migrations/LOCK`: the hash of every migration that a release has shipped.
///
/// A shipped migration has run on somebody's database, so it never changes again: a correction is a new migration.
/// The list is only ever appended to.
package struct MigrationLock {
    /// A locked migration.
    package struct Entry: Equatable, Sendable {
        /// The file name, such as `0001_init.sql`.
        package let name: String
        /// The sha256 of the file, in lower-case hex.
        package let sha256: String
    }

    private let folder: URL

    /// The lock of the package at `root`.
    package init(root: URL) {
        folder = root.appendingPathComponent("registry/migrations")
    }

    /// The names of all migrations, in the order in which they run.
    package func migrations() throws -> [String] {
        guard FileManager.default.fileExists(atPath: folder.path) else { return [] }
        return try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".sql") }.sorted()
    }

    /// What is locked: lines of a hash, two spaces and a name, as `sha256sum` writes them.
    package func entries() throws -> [Entry] {
        let url = folder.appendingPathComponent("LOCK")
        guard FileManager.default.fileExists(atPath: url.path) else { return [] }
        return try String(contentsOf: url, encoding: .utf8).split(separator: "\n").map { line in
            guard let gap = line.firstRange(of: "  "), line[..<gap.lowerBound].count == 64 else {
                throw EmbedError(
                    code: "badLockLine",
                    path: "registry/migrations/LOCK",
                    reason: "\"\(line)\" is not a hash and a name"
                )
            }
            return Entry(name: String(line[gap.upperBound...]), sha256: String(line[..<gap.lowerBound]))
        }
    }

    /// What contradicts the lock; empty when all is well.
    package func problems() throws -> [String] {
        let migrations = try migrations()
        let entries = try entries()
        var problems: [String] = []
        if entries.map(\.name) != Array(migrations.prefix(entries.count)) {
            problems.append("LOCK must name the first \(entries.count) migrations in their order")
        }
        for entry in entries where migrations.contains(entry.name) {
            if try sha256(of: entry.name) != entry.sha256 {
                problems.append("\(entry.name) has shipped and may not change; write a new migration")
            }
        }
        for (index, name) in migrations.enumerated() {
            let number = String(index + 1)
            let expected = String(repeating: "0", count: max(0, 4 - number.count)) + number + "_"
            if !name.hasPrefix(expected) { problems.append("\(name) must start with \(expected)") }
        }
        return problems
    }

    /// Locks every migration that is not locked yet; refuses when the lock is broken.
    package func append() throws -> [String] {
        if let problem = try problems().first {
            throw EmbedError(code: "lockBroken", path: "registry/migrations/LOCK", reason: problem)
        }
        let entries = try entries()
        let added = try migrations().dropFirst(entries.count).map { Entry(name: $0, sha256: try sha256(of: $0)) }
        let text = (entries + added).map { "\($0.sha256)  \($0.name)\n" }.joined()
        try Data(text.utf8).write(to: folder.appendingPathComponent("LOCK"), options: .atomic)
        return added.map(\.name)
    }

    private func sha256(of name: String) throws -> String {
        Digest.of([UInt8](try Data(contentsOf: folder.appendingPathComponent(name)))).hex
    }
}

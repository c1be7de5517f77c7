private import Glibc
package import MartletTypes

/// The copies of an SQLite database that are made before steps of the schema are applied to it, beside it:
/// `registry.sqlite.before-0005` is what it was before step 5.
package struct SchemaCopies: Sendable {
    /// Copies that are kept: of this upgrade, and of the one before it.
    package static let kept = 2

    /// The database.
    private let path: String

    package init(of path: String) { self.path = path }

    /// The file of the copy before a step, there or not.
    package func file(before number: Int64) -> String {
        let digits = String(number)
        return path + ".before-" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }

    /// Makes the copy, durable and whole or not at all, and removes the oldest beyond `kept`.
    ///
    /// Throws `diskFull` where there is no room for it: an upgrade that cannot be taken back is not begun.
    func make(of database: SQLiteDatabase, before number: Int64) async throws {
        let needed = try ["", "-wal"].reduce(Int64(0)) { try $0 + (FileDescriptor.status(path + $1)?.size ?? 0) }
        let free = try FileDescriptor.room(in: folder)
        guard free >= needed else { throw Self.noRoom(needed, free) }
        let (target, temporary) = (file(before: number), path + ".before.new")
        _ = try FileDescriptor.remove(temporary)
        do {
            try await database.backup(to: temporary)
            try FileDescriptor(opening: temporary, O_RDWR).protectAndSynchronize()
            try FileDescriptor.rename(temporary, to: target)
        } catch {
            _ = try FileDescriptor.remove(temporary)
            guard (error as? StoreError)?.kind == .diskFull else { throw error }
            throw Self.noRoom(needed, free)
        }
        try FileDescriptor.synchronizeFolder(folder)
        for old in try all().dropFirst(Self.kept) {
            // Who has looked into one has left SQLite's own files beside it.
            for end in ["", "-wal", "-shm"] { _ = try FileDescriptor.remove(old + end) }
        }
    }

    private var folder: String { String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]) }

    /// All copies, the latest first. What else begins like one is somebody else's.
    private func all() throws -> [String] {
        let prefix = (path.split(separator: "/").last.map(String.init) ?? path) + ".before-"
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        let names = try FileDescriptor.names(in: folder).filter { name in
            guard name.hasPrefix(prefix) else { return false }
            let number = name.utf8.dropFirst(prefix.utf8.count)
            return !number.isEmpty && number.allSatisfy(digits.contains)
        }
        var copies: [(file: String, made: Timestamp)] = []
        for name in names {
            let file = folder + "/" + name
            if let status = try FileDescriptor.status(file) { copies.append((file, status.modified)) }
        }
        return copies.sorted { ($0.made, $0.file) > ($1.made, $1.file) }.map(\.file)
    }

    private static func noRoom(_ needed: Int64, _ free: Int64) -> StoreError {
        StoreError(
            .diskFull,
            "There is no room for the copy of the database that is made before its schema is changed: it needs "
                + "\(ByteCount(needed)), and \(ByteCount(free)) are free.",
            remedy: "Free space on the registry's disk, or run the former program again: nothing was changed.")
    }
}

extension Migrator {
    /// Applies what is missing to the SQLite database in the file `path`. One that has a schema already is copied first
    /// (`SchemaCopies`); where a newer program has written it, the error says which copy leads back.
    package func run(on database: SQLiteDatabase, keepingCopyOf path: String, now: Timestamp) async throws -> [Int64] {
        let copies = SchemaCopies(of: path)
        do {
            return try await run(on: database, now: now) { try await copies.make(of: database, before: $0) }
        } catch let error as StoreError {
            guard error.kind == .schemaTooNew, let unknown = error.step else { throw error }
            let copy = copies.file(before: unknown)
            guard try FileDescriptor.status(copy) != nil else { throw error }
            throw StoreError(
                .schemaTooNew, error.message,
                remedy: "Run the newer registry again. The way back loses what happened since: \(copy) is the database "
                    + "before it was changed, and operations.md says under \"Upgrade\" how to go on from it.",
                step: unknown)
        }
    }
}

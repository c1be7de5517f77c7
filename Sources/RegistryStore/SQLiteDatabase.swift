private import Foundation
internal import GRDB
internal import MartletTypes

/// The embedded database: one SQLite file in WAL mode, many readers beside one writer.
///
/// Commits are synchronous (`FULL`): what was answered survives a power cut. Bodies run on queues of their own, so no
/// thread of the cooperative pool blocks.
package final class SQLiteDatabase: Database {
    private let pool: DatabasePool
    /// Writes of many requests at once share a transaction, and so one wait for the disk.
    private let turns: WriteTurns
    /// Reads go one after the other on few threads.
    private let reads: ReadTurns

    /// Opens or creates the file; does not migrate.
    package init(path: String) throws {
        var configuration = Configuration()
        configuration.foreignKeysEnabled = true
        configuration.busyMode = .timeout(StoreLimits.busySeconds)
        configuration.maximumReaderCount = StoreLimits.readers
        configuration.label = "martlet-registry"
        configuration.prepareDatabase { try $0.execute(sql: "PRAGMA synchronous = FULL") }
        let pool = try Self.translating { try DatabasePool(path: path, configuration: configuration) }
        self.pool = pool
        turns = WriteTurns(pool: pool)
        reads = ReadTurns(pool: pool, threads: StoreLimits.readers)
    }

    package func read<Value: Sendable>(
        _ body: @escaping @Sendable (any SQLConnection) throws -> Value
    ) async throws -> Value {
        do {
            return try await reads.read { try body(SQLiteConnection($0)) }
        } catch let error as DatabaseError {
            throw Self.translate(error)
        }
    }

    package func write<Value: Sendable>(
        _ body: @escaping @Sendable (any SQLConnection) throws -> Value
    ) async throws -> Value {
        do {
            return try await turns.write { try body(SQLiteConnection($0)) }
        } catch let error as DatabaseError {
            throw Self.translate(error)
        }
    }

    /// Writes a consistent copy of the whole database to `path`, while reads and writes go on.
    package func backup(to path: String) async throws {
        do {
            try await pool.writeWithoutTransaction { try $0.execute(sql: "VACUUM INTO ?", arguments: [path]) }
        } catch let error as DatabaseError {
            throw Self.translate(error)
        }
    }

    /// Waits for running bodies and closes the file.
    package func close() throws {
        try Self.translating { try pool.close() }
    }

    private static func translating<Value>(_ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let error as DatabaseError {
            throw translate(error)
        }
    }

    fileprivate static func translate(_ error: DatabaseError) -> StoreError {
        let detail = error.message ?? "no message"
        switch error.resultCode {
        case .SQLITE_FULL: return StoreError(.diskFull, "The database could not grow: the disk is full.")
        case .SQLITE_BUSY, .SQLITE_LOCKED: return StoreError(.busy, "The database is held by another process.")
        case .SQLITE_CONSTRAINT: return StoreError(.conflict, "The database refused a row: \(detail).")
        case .SQLITE_CORRUPT, .SQLITE_NOTADB: return StoreError(.corrupt, "The database file is damaged: \(detail).")
        default: return StoreError(.ioFailed, "The database failed: \(detail) (\(error.resultCode.rawValue)).")
        }
    }
}

/// A GRDB connection inside a transaction.
private final class SQLiteConnection: SQLConnection {
    private let connection: GRDB.Database

    init(_ connection: GRDB.Database) { self.connection = connection }

    func execute(_ sql: String, _ arguments: [SQLValue]) throws -> Int {
        try translating {
            let statement = try connection.cachedStatement(sql: sql)
            try statement.execute(arguments: StatementArguments(arguments.map(\.databaseValue)))
            return connection.changesCount
        }
    }

    func query(_ sql: String, _ arguments: [SQLValue]) throws -> [SQLRow] {
        try translating {
            let statement = try connection.cachedStatement(sql: sql)
            let names = statement.columnNames
            var columns: [String: Int] = [:]
            for (index, name) in names.enumerated() { columns[name] = index }
            var rows: [SQLRow] = []
            let cursor = try Row.fetchCursor(
                statement, arguments: StatementArguments(arguments.map(\.databaseValue)))
            while let row = try cursor.next() {
                rows.append(SQLRow(columns: columns, values: names.indices.map { SQLValue(row[$0]) }))
            }
            return rows
        }
    }

    func executeScript(_ sql: String) throws {
        try translating { try connection.execute(sql: sql) }
    }

    private func translating<Value>(_ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let error as DatabaseError {
            throw SQLiteDatabase.translate(error)
        }
    }
}

extension SQLValue {
    fileprivate var databaseValue: DatabaseValue {
        switch self {
        case .null: .null
        case .integer(let value): value.databaseValue
        case .real(let value): value.databaseValue
        case .text(let value): Self.storable(value).databaseValue
        case .blob(let value): Data(value).databaseValue
        }
    }

    fileprivate init(_ value: DatabaseValue) {
        switch value.storage {
        case .null: self = .null
        case .int64(let value): self = .integer(value)
        case .double(let value): self = .real(value)
        case .string(let value): self = .text(value)
        case .blob(let value): self = .blob(Array(value))
        }
    }
}

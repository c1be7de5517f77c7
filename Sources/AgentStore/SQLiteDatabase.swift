internal import CSQLite
internal import Glibc
internal import MartletTypes

/// A value in a cell.
enum SQLValue {
    case integer(Int64)
    case text(String)
    case blob([UInt8])
    case null
}

/// One row of an answer, good until the next is read.
struct SQLRow {
    fileprivate let statement: OpaquePointer

    func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(statement, column) }

    func text(_ column: Int32) -> String {
        sqlite3_column_text(statement, column).map { String(cString: $0) } ?? ""
    }

    func blob(_ column: Int32) -> [UInt8] {
        let count = Int(sqlite3_column_bytes(statement, column))
        guard count > 0, let start = sqlite3_column_blob(statement, column) else { return [] }
        return Array(UnsafeRawBufferPointer(start: start, count: count))
    }
}

/// A connection to SQLite with its prepared statements. Not thread-safe; the journal's actor owns it.
final class SQLiteDatabase {
    private var handle: OpaquePointer?
    private var statements: [String: OpaquePointer] = [:]
    let path: String
    let isReadOnly: Bool
    /// Is told how each write went.
    private let health: StoreHealth?
    private var inTransaction = false

    /// Opens or makes the file, in WAL mode with a synchronisation for each commit.
    init(path: String, health: StoreHealth? = nil) throws(AgentStoreError) {
        self.path = path
        self.health = health
        isReadOnly = false
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX
        let result = sqlite3_open_v2(path, &handle, flags, nil)
        guard result == SQLITE_OK else {
            let error = failure(result, "open")
            close()
            throw error
        }
        do throws(AgentStoreError) {
            sqlite3_busy_timeout(handle, 5000)
            try run("PRAGMA journal_mode = WAL")
            try run("PRAGMA synchronous = FULL")
            try run("PRAGMA cache_size = -\(AgentStoreLimits.journalCacheKiB)")
            try run("PRAGMA wal_autocheckpoint = \(AgentStoreLimits.journalCheckpointPages)")
            try run("PRAGMA foreign_keys = ON")
            // A damaged header may ask that nobody write the file, which is no disk that takes no writes.
            if sqlite3_db_readonly(handle, "main") == 1, access(path, W_OK) == 0 {
                throw AgentStoreError(.journalUnusable, "Nobody may write \(path), its header says.")
            }
        } catch {
            close()
            throw error
        }
    }

    /// Opens the file as it is on a disk that takes no writes.
    ///
    /// SQLite's own way to read such a file needs the `-shm` file beside it, which a power cut may have taken along.
    /// Without locks (the store's lock keeps others out) and with its index in memory it needs none. Where no log is
    /// left the file is whole by itself, and SQLite must not look for one: it would want to make it.
    init(reading path: String, hasLog: Bool) throws(AgentStoreError) {
        self.path = path
        health = nil
        isReadOnly = true
        let flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI
        let name = "file:" + Self.encoded(path) + (hasLog ? "" : "?immutable=1")
        let result = sqlite3_open_v2(name, &handle, flags, hasLog ? "unix-none" : nil)
        guard result == SQLITE_OK else {
            let error = failure(result, "open")
            close()
            throw error
        }
        do {
            if hasLog { try run("PRAGMA locking_mode = EXCLUSIVE") }
            try run("PRAGMA cache_size = -\(AgentStoreLimits.journalCacheKiB)")
        } catch {
            close()
            throw error
        }
    }

    /// A path as SQLite's addresses have it: `?`, `#` and `%` mean something there.
    private static func encoded(_ path: String) -> String {
        let plain = Set("/._-~".utf8)
        var bytes: [UInt8] = []
        for byte in path.utf8 {
            let isLetter = (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
            if isLetter || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || plain.contains(byte) {
                bytes.append(byte)
            } else {
                bytes += Array("%".utf8) + Array(Hex.encode([byte]).utf8)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    deinit { close() }

    func close() {
        for statement in statements.values { sqlite3_finalize(statement) }
        statements = [:]
        sqlite3_close_v2(handle)
        handle = nil
    }

    /// Runs statements that take no values and whose answer nobody wants.
    func run(_ sql: String) throws(AgentStoreError) {
        let result = sqlite3_exec(handle, sql, nil, nil, nil)
        guard result == SQLITE_OK else { throw failure(result, "run \(sql.prefix(40)) in") }
    }

    /// Runs one statement; returns the number of rows that it changed.
    @discardableResult
    func execute(_ sql: String, _ values: [SQLValue] = []) throws(AgentStoreError) -> Int {
        do {
            _ = try rows(sql, values) { _ in 0 }
        } catch {
            health?.failed(error)
            throw error
        }
        if !inTransaction { health?.wrote() }
        return Int(sqlite3_changes(handle))
    }

    /// Runs one statement and reads each row of its answer.
    func rows<Result>(
        _ sql: String, _ values: [SQLValue] = [], _ read: (SQLRow) -> Result
    ) throws(AgentStoreError) -> [Result] {
        let statement = try prepared(sql)
        defer {
            sqlite3_reset(statement)
            sqlite3_clear_bindings(statement)
        }
        for (index, value) in values.enumerated() { try bind(value, at: Int32(index + 1), to: statement) }
        var results: [Result] = []
        while true {
            switch sqlite3_step(statement) {
            case SQLITE_ROW: results.append(read(SQLRow(statement: statement)))
            case SQLITE_DONE: return results
            case let result: throw failure(result, "run \(sql.prefix(40)) in")
            }
        }
    }

    /// The key that the last insertion made.
    var lastInsertedRow: Int64 { sqlite3_last_insert_rowid(handle) }

    /// All of `body` or nothing of it.
    func transaction<Result>(
        _ body: () throws(AgentStoreError) -> Result
    ) throws(AgentStoreError) -> Result {
        precondition(!inTransaction, "transactions do not nest")
        do {
            try run("BEGIN IMMEDIATE")
        } catch {
            health?.failed(error)
            throw error
        }
        inTransaction = true
        defer { inTransaction = false }
        do {
            let result = try body()
            try run("COMMIT")
            health?.wrote()
            return result
        } catch {
            health?.failed(error)
            // A full disk may have rolled it back already, and then there is nothing to roll back.
            sqlite3_exec(handle, "ROLLBACK", nil, nil, nil)
            throw error
        }
    }

    private func prepared(_ sql: String) throws(AgentStoreError) -> OpaquePointer {
        if let statement = statements[sql] { return statement }
        var statement: OpaquePointer?
        let result = sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
        guard result == SQLITE_OK, let statement else { throw failure(result, "prepare \(sql.prefix(40)) in") }
        precondition(statements.count < AgentStoreLimits.cachedStatements, "statements are fixed texts")
        statements[sql] = statement
        return statement
    }

    private func bind(_ value: SQLValue, at index: Int32, to statement: OpaquePointer) throws(AgentStoreError) {
        // SQLITE_TRANSIENT, a cast that the importer cannot express: SQLite copies the bytes at once.
        let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
        let result: Int32 =
            switch value {
            case .integer(let number): sqlite3_bind_int64(statement, index, number)
            case .text(let text): sqlite3_bind_text(statement, index, text, -1, transient)
            case .blob(let bytes):
                bytes.withUnsafeBytes { buffer in
                    // A null pointer would bind NULL where an empty blob is meant.
                    buffer.isEmpty
                        ? sqlite3_bind_zeroblob(statement, index, 0)
                        : sqlite3_bind_blob64(statement, index, buffer.baseAddress, UInt64(buffer.count), transient)
                }
            case .null: sqlite3_bind_null(statement, index)
            }
        guard result == SQLITE_OK else { throw failure(result, "bind a value in") }
    }

    private func failure(_ result: Int32, _ operation: String) -> AgentStoreError {
        let detail = handle.flatMap { sqlite3_errmsg($0) }.map { String(cString: $0) } ?? "no memory"
        let reason: AgentStoreError.Code =
            switch result & 0xff {
            case SQLITE_CORRUPT, SQLITE_NOTADB: .journalUnusable
            // Statements are fixed texts: one that SQLite does not understand meets another schema than was made.
            case SQLITE_ERROR where handle != nil: .journalUnusable
            case SQLITE_FULL: .diskFull
            case SQLITE_READONLY, SQLITE_PERM: .readOnly
            case SQLITE_IOERR where isOfReading: .journalUnreadable
            default: .storageFailed
            }
        return AgentStoreError(reason, "Could not \(operation) \(path): \(detail).")
    }

    /// Whether the last failure was that the disk did not give back what is in the files.
    private var isOfReading: Bool {
        // Composed by macros that the importer does not bring: the primary code, and which of its kinds above it.
        let kinds: [Int32] = [1, 2, 32, 33]  // READ, SHORT_READ, DATA, CORRUPTFS
        return kinds.contains { sqlite3_extended_errcode(handle) == SQLITE_IOERR | $0 << 8 }
    }
}

internal import MartletTypes

/// A database in which the registry keeps its state: transactions over portable SQL.
///
/// SQLite stands behind it today, PostgreSQL can: statements use `?` for parameters,
/// `INSERT … ON CONFLICT … RETURNING`, and no function that only one engine has.
package protocol Database: Sendable {
    /// Runs `body` over one consistent snapshot; writes are refused by the engine.
    func read<Value: Sendable>(_ body: @escaping @Sendable (any SQLConnection) throws -> Value) async throws -> Value

    /// Runs `body` in one transaction: all of it is durable on return, or none of it happened if it throws.
    func write<Value: Sendable>(_ body: @escaping @Sendable (any SQLConnection) throws -> Value) async throws -> Value
}

/// A connection inside a transaction. It is not `Sendable` and does not outlive the body it was given to.
package protocol SQLConnection: AnyObject {
    /// Runs one statement; returns the number of rows it changed.
    @discardableResult
    func execute(_ sql: String, _ arguments: [SQLValue]) throws -> Int

    /// Runs one statement and returns its rows. For `INSERT … RETURNING` too.
    func query(_ sql: String, _ arguments: [SQLValue]) throws -> [SQLRow]

    /// Runs several statements without parameters, as a migration holds them.
    func executeScript(_ sql: String) throws
}

extension SQLConnection {
    /// The first row of a query, nil where there is none.
    package func first(_ sql: String, _ arguments: [SQLValue]) throws -> SQLRow? {
        try query(sql, arguments).first
    }

    /// The next value of a counter: 1, 2, 3, … without gaps, since it rolls back with the transaction.
    func next(_ counter: String) throws -> Int64 {
        let row = try first(
            """
            INSERT INTO counters (name, value) VALUES (?, 1)
            ON CONFLICT (name) DO UPDATE SET value = counters.value + 1
            RETURNING value
            """, [.text(counter)])
        guard let row else { throw StoreError(.corrupt, "Counter \(counter) gave no value.") }
        return try row.integer("value")
    }
}

/// A value of a column.
package enum SQLValue: Sendable, Hashable {
    case null
    case integer(Int64)
    case real(Double)
    case text(String)
    case blob([UInt8])

    static func text(_ value: (any ValidatedString)?) -> SQLValue { value.map { .text($0.text) } ?? .null }
    static func optional(_ value: String?) -> SQLValue { value.map { .text($0) } ?? .null }
    static func optional(_ value: Int64?) -> SQLValue { value.map { .integer($0) } ?? .null }
    static func optional(_ value: Double?) -> SQLValue { value.map { .real($0) } ?? .null }
    static func time(_ value: Timestamp?) -> SQLValue { value.map { .integer($0.milliseconds) } ?? .null }
    static func flag(_ value: Bool) -> SQLValue { .integer(value ? 1 : 0) }

    /// A text as every engine can keep it: a zero byte, which none can, becomes the replacement character.
    static func storable(_ text: String) -> String {
        text.utf8.contains(0) ? text.replacing("\0", with: "\u{FFFD}") : text
    }

    /// A document as JSON text; nil is SQL's null.
    static func json(_ value: (some Encodable)?) throws -> SQLValue {
        guard let value else { return .null }
        return .text(String(decoding: try JSONText.encode(value), as: UTF8.self))
    }
}

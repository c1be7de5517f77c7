internal import MartletTypes

/// A row of an answer. Its readers throw `corrupt` where a column does not hold what the schema promises.
package struct SQLRow: Sendable {
    private let columns: [String: Int]
    private let values: [SQLValue]

    /// `columns` gives the place of each name in `values`; it is shared by the rows of one answer.
    package init(columns: [String: Int], values: [SQLValue]) {
        self.columns = columns
        self.values = values
    }

    /// The value of a column; throws where the answer has no such column.
    package func value(_ column: String) throws -> SQLValue {
        guard let index = columns[column] else {
            throw StoreError(.corrupt, "The answer has no column \(column).")
        }
        return values[index]
    }

    /// A whole number.
    package func integer(_ column: String) throws -> Int64 {
        guard let value = try optionalInteger(column) else { throw Self.wrong(column, "a whole number") }
        return value
    }

    /// A whole number, nil for null.
    package func optionalInteger(_ column: String) throws -> Int64? {
        switch try value(column) {
        case .integer(let value): value
        case .null: nil
        default: throw Self.wrong(column, "a whole number")
        }
    }

    /// A number, nil for null.
    package func optionalReal(_ column: String) throws -> Double? {
        switch try value(column) {
        case .real(let value): value
        case .integer(let value): Double(value)
        case .null: nil
        default: throw Self.wrong(column, "a number")
        }
    }

    /// A text.
    package func text(_ column: String) throws -> String {
        guard let value = try optionalText(column) else { throw Self.wrong(column, "a text") }
        return value
    }

    /// A text, nil for null.
    package func optionalText(_ column: String) throws -> String? {
        switch try value(column) {
        case .text(let value): value
        case .null: nil
        default: throw Self.wrong(column, "a text")
        }
    }

    /// Bytes.
    package func blob(_ column: String) throws -> [UInt8] {
        switch try value(column) {
        case .blob(let value): value
        default: throw Self.wrong(column, "bytes")
        }
    }

    /// A Boolean, kept as 0 or 1.
    func flag(_ column: String) throws -> Bool { try integer(column) != 0 }

    /// A moment.
    func time(_ column: String) throws -> Timestamp { Timestamp(milliseconds: try integer(column)) }

    /// A moment, nil for null.
    func optionalTime(_ column: String) throws -> Timestamp? {
        try optionalInteger(column).map { Timestamp(milliseconds: $0) }
    }

    /// A checked name.
    func name<Name: ValidatedString>(_ column: String, _ type: Name.Type = Name.self) throws -> Name {
        guard let name = try optionalName(column, type) else { throw Self.wrong(column, "a \(type)") }
        return name
    }

    /// A checked name, nil for null.
    func optionalName<Name: ValidatedString>(_ column: String, _ type: Name.Type = Name.self) throws -> Name? {
        guard let text = try optionalText(column) else { return nil }
        do {
            return try Name(text)
        } catch {
            throw Self.wrong(column, "a \(type)")
        }
    }

    /// A case of an enumeration.
    func choice<Choice: RawRepresentable<String>>(_ column: String, _ type: Choice.Type = Choice.self) throws -> Choice
    {
        guard let choice = try optionalChoice(column, type) else { throw Self.wrong(column, "a \(type)") }
        return choice
    }

    /// A case of an enumeration, nil for null.
    func optionalChoice<Choice: RawRepresentable<String>>(
        _ column: String, _ type: Choice.Type = Choice.self
    ) throws -> Choice? {
        guard let text = try optionalText(column) else { return nil }
        guard let choice = Choice(rawValue: text) else { throw Self.wrong(column, "a \(type)") }
        return choice
    }

    /// A document kept as JSON.
    func json<Document: Decodable>(_ column: String, _ type: Document.Type = Document.self) throws -> Document {
        guard let document = try optionalJSON(column, type) else { throw Self.wrong(column, "a \(type) as JSON") }
        return document
    }

    /// A document kept as JSON, nil for null.
    func optionalJSON<Document: Decodable>(
        _ column: String, _ type: Document.Type = Document.self
    ) throws -> Document? {
        guard let text = try optionalText(column) else { return nil }
        do {
            return try JSONText.decode(type, from: text.utf8)
        } catch {
            throw Self.wrong(column, "a \(type) as JSON")
        }
    }

    private static func wrong(_ column: String, _ what: String) -> StoreError {
        StoreError(.corrupt, "Column \(column) does not hold \(what).")
    }
}

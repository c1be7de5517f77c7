import ArgumentParser
import MartletTypes

/// How results are printed.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable, Sendable {
    case table
    case json
}

/// Prints results on standard output: a table for people, JSON for programs.
struct Output: Sendable {
    let format: OutputFormat

    /// Prints `value` as JSON, or the table that `table` makes of it.
    func show<Value: Encodable>(_ value: Value, table: (Value) -> Table) throws {
        switch format {
        case .json: print(String(decoding: try JSONText.encode(value, pretty: true), as: UTF8.self))
        case .table: print(table(value).text, terminator: "")
        }
    }

    /// Prints `value` as JSON, or the sentence.
    func say<Value: Encodable>(_ value: Value, _ sentence: (Value) -> String) throws {
        switch format {
        case .json: print(String(decoding: try JSONText.encode(value, pretty: true), as: UTF8.self))
        case .table: print(sentence(value))
        }
    }
}

/// Left-aligned columns under upper-case heads, as kubectl prints them.
struct Table: Sendable {
    let heads: [String]
    var rows: [[String]] = []
    var whenEmpty = "none"

    var text: String {
        guard !rows.isEmpty else { return whenEmpty + "\n" }
        let all = [heads.map { $0.uppercased() }] + rows
        let widths = heads.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        return all.map { row in
            let cells = row.enumerated().map { index, cell in
                index == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[index] - cell.count)
            }
            return cells.joined(separator: "   ") + "\n"
        }.joined()
    }
}

/// Names and values below each other, for one thing.
extension Table {
    static func facts(_ pairs: [(String, String)]) -> Table {
        var table = Table(heads: ["field", "value"])
        table.rows = pairs.map { [$0.0, $0.1] }
        return table
    }
}

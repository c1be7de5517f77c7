import ArgumentParser
import FoundationEssentials
import MartletTypes

/// How results are printed.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable, Sendable {
    case table
    case json

    /// What stands in the environment for all commands.
    static let variable = "MARTLET_OUTPUT"

    /// The format that a command line asks for, read before or without the parser: an error of its own is printed
    /// in that format too.
    static func requested(_ arguments: [String], _ environment: [String: String]) -> OutputFormat {
        var found = environment[variable].flatMap(Self.init(rawValue:)) ?? .table
        for (index, argument) in arguments.enumerated() {
            if argument == "--" { break }
            let isSplit = ["--output", "-o"].contains(argument) && index + 1 < arguments.count
            let value = isSplit ? arguments[index + 1][...] : argument.trimmingPrefix("--output=")
            if isSplit || argument.hasPrefix("--output="), let format = OutputFormat(rawValue: String(value)) {
                found = format
            }
        }
        return found
    }
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
        case .table: print(Printable.text(sentence(value), keepingLines: true))
        }
    }

    /// Prints one JSON document on a line of its own, at once: whoever reads a pipe waits for it.
    func line(_ value: some Encodable) {
        guard let bytes = try? JSONText.encode(value) else { return }
        StandardOutput.write(String(decoding: bytes, as: UTF8.self) + "\n")
    }

    /// Tells people something beside the result, on standard error. Programs find it in the JSON.
    func note(_ text: String) {
        guard format == .table else { return }
        StandardError.write(Printable.text(text, keepingLines: true) + "\n")
    }
}

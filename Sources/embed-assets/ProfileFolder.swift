package import Foundation
import Yams

/// The device profiles: YAML for people, JSON for the program, which then needs no YAML parser.
package struct ProfileFolder {
    private let folder: URL

    /// The folder `device-profiles` of the package at `root`.
    package init(root: URL) {
        folder = root.appendingPathComponent("device-profiles")
    }

    /// The names of the profiles: their file names without `.yaml`, in byte order.
    package func names() throws -> [String] {
        guard FileManager.default.fileExists(atPath: folder.path) else { return [] }
        return try FileManager.default.contentsOfDirectory(atPath: folder.path)
            .filter { $0.hasSuffix(".yaml") && !$0.hasPrefix(".") }
            .map { String($0.dropLast(".yaml".count)) }
            .sorted { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) }
    }

    /// One profile as compact JSON with sorted keys.
    package func json(_ name: String) throws -> String {
        let path = "device-profiles/\(name).yaml"
        let text = try String(contentsOf: folder.appendingPathComponent("\(name).yaml"), encoding: .utf8)
        let value: Any?
        do {
            value = try Yams.load(yaml: text)
        } catch {
            throw EmbedError(code: "notYAML", path: path, reason: "not valid YAML: \(error)")
        }
        guard let profile = value as? [String: Any] else {
            throw EmbedError(code: "notAMapping", path: path, reason: "a profile is a mapping with text keys")
        }
        try Self.requireJSON(profile, path: path, at: "")
        let data = try JSONSerialization.data(withJSONObject: profile, options: [.sortedKeys, .withoutEscapingSlashes])
        return String(decoding: data, as: UTF8.self)
    }

    /// YAML knows more than JSON (dates, binary, keys that are not text); such values would change their meaning.
    private static func requireJSON(_ value: Any, path: String, at key: String) throws {
        switch value {
        case is String, is Bool, is Int, is Double, is NSNull:
            return
        case let list as [Any]:
            for (index, element) in list.enumerated() {
                try requireJSON(element, path: path, at: "\(key)[\(index)]")
            }
        case let mapping as [String: Any]:
            for (name, element) in mapping { try requireJSON(element, path: path, at: "\(key).\(name)") }
        default:
            throw EmbedError(code: "notJSON", path: path, reason: "\(key) is no JSON value; put it in quotes")
        }
    }

    /// The Swift source that holds every profile.
    package func source() throws -> String {
        let entries = try names().map { name in
            let json = try json(name)
            guard let literal = SwiftLiteral.multiline(json) else {
                throw EmbedError(
                    code: "controlCharacter",
                    path: "device-profiles/\(name).yaml",
                    reason: "holds a control character"
                )
            }
            return "(name: \(SwiftLiteral.inline(name)), json: \(literal)),\n"
        }
        return GeneratedFile.banner + """
            /// The profiles of `device-profiles/`, by file name, as compact JSON.
            let embeddedProfiles: [(name: String, json: String)] = [
            \(entries.joined())]

            """
    }
}

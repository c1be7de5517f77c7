import Foundation

/// The files that Tidy reads, by their paths below the root of the package.
struct SourceTree: Sendable {
    /// The top folder, behind any symbolic link.
    let root: URL

    /// The checkout that holds this file.
    static let own = SourceTree(
        root: URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    )

    /// The text of a file; nil when it is missing or not UTF-8.
    func text(_ path: String) -> String? {
        try? String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
    }

    /// Whether something stands at a path.
    func exists(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: root.appendingPathComponent(path).path)
    }

    /// The names in a folder without hidden ones, sorted; none when it is missing.
    func names(in folder: String) -> [String] {
        let names = try? FileManager.default.contentsOfDirectory(atPath: root.appendingPathComponent(folder).path)
        return (names ?? []).filter { !$0.hasPrefix(".") }.sorted()
    }

    /// The paths of the files below a folder, at any depth, sorted.
    ///
    /// Symbolic links are not followed.
    func files(below folder: String) -> [String] {
        names(in: folder).flatMap { name -> [String] in
            let path = "\(folder)/\(name)"
            let attributes = try? FileManager.default.attributesOfItem(atPath: root.appendingPathComponent(path).path)
            switch attributes?[.type] as? FileAttributeType {
            case .some(.typeDirectory): return files(below: path)
            case .some(.typeRegular): return [path]
            default: return []
            }
        }
    }

    /// The Swift files that people write: all but generated ones.
    var swiftFiles: [SourceFile] {
        (["Package.swift"] + ["Sources", "Tests", "registry", "Benchmarks", "FuzzTesting"].flatMap(files(below:)))
            .filter { $0.hasSuffix(".swift") && !$0.hasSuffix(".generated.swift") }
            .compactMap { path in text(path).map { SourceFile(path: path, text: $0) } }
    }
}

/// A file and its lines.
struct SourceFile: Sendable {
    /// Relative to the root of the package.
    let path: String
    /// The lines, without their ends; a last empty one is not counted.
    let lines: [Substring]

    init(path: String, text: String) {
        self.path = path
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        if lines.last?.isEmpty == true { lines.removeLast() }
        self.lines = lines
    }

    /// The target that the file belongs to, by the folder it stands in; nil outside `Sources`.
    var target: String? {
        let parts = path.split(separator: "/")
        return parts.count > 2 && parts[0] == "Sources" ? String(parts[1]) : nil
    }

    /// The modules that the file imports.
    var imports: [String] { lines.compactMap(Self.importedModule) }

    private static func importedModule(_ line: Substring) -> String? {
        var words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
        let modifiers: Set<Substring> = ["public", "package", "internal", "fileprivate", "private"]
        while let first = words.first, first.hasPrefix("@") || modifiers.contains(first) { words.removeFirst() }
        guard words.first == "import" else { return nil }
        let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "typealias", "func", "let", "var"]
        guard let name = words.dropFirst().first(where: { !kinds.contains($0) }) else { return nil }
        return String(name.prefix { $0 != "." && $0 != ";" })
    }
}

/// Something that a rule of the house forbids.
struct Finding: CustomStringConvertible, Equatable, Sendable {
    /// The name of the rule.
    let rule: String
    /// Where, and what to do about it.
    let what: String

    var description: String { "\(rule): \(what)" }
}

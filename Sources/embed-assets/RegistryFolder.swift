package import Foundation

/// What the registry ships: the folders below `registry/`, as one Swift file of string literals.
package struct RegistryFolder {
    /// The folders whose files are embedded, at any depth.
    package static let folders = ["migrations", "openapi", "static", "templates"]

    private let folder: URL

    /// The folder `registry` of the package at `root`.
    package init(root: URL) {
        folder = root.appendingPathComponent("registry")
    }

    /// The paths of the files to embed, relative to `registry/`, in byte order.
    ///
    /// What is for readers of the repository
    /// (`README.md`, `LOCK`, hidden files) stays out.
    package func paths() throws -> [String] {
        try Self.folders.flatMap { try paths(below: $0) }.sorted {
            Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8))
        }
    }

    private func paths(below path: String) throws -> [String] {
        let url = folder.appendingPathComponent(path)
        guard FileManager.default.fileExists(atPath: url.path) else { return [] }
        return try FileManager.default.contentsOfDirectory(atPath: url.path).flatMap { name -> [String] in
            guard !name.hasPrefix("."), name != "README.md", name != "LOCK" else { return [] }
            let child = "\(path)/\(name)"
            var isFolder: ObjCBool = false
            _ = FileManager.default.fileExists(
                atPath: folder.appendingPathComponent(child).path,
                isDirectory: &isFolder
            )
            return isFolder.boolValue ? try paths(below: child) : [child]
        }
    }

    /// The Swift source that holds every file: text as text, anything else as base64.
    package func source() throws -> String {
        var text: [(path: String, literal: String)] = []
        var binary: [(path: String, literal: String)] = []
        for path in try paths() {
            let data = try Data(contentsOf: folder.appendingPathComponent(path))
            if let string = String(data: data, encoding: .utf8), let literal = SwiftLiteral.multiline(string) {
                text.append((path, literal))
            } else {
                binary.append((path, SwiftLiteral.inline(data.base64EncodedString())))
            }
        }
        return GeneratedFile.banner + """
            extension RegistryAssets {
                /// Every text file below the folders of `registry/`, by its path there.
                package static let files: [String: String] = \(Self.dictionary(text))

                /// Every other file, in base64.
                package static let base64Files: [String: String] = \(Self.dictionary(binary))
            }

            """
    }

    private static func dictionary(_ entries: [(path: String, literal: String)]) -> String {
        guard !entries.isEmpty else { return "[:]" }
        return "[\n" + entries.map { "\(SwiftLiteral.inline($0.path)): \($0.literal),\n" }.joined() + "]"
    }
}

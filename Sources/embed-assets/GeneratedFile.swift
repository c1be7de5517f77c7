package import Foundation

/// A Swift file that is made from other files of the package and committed beside them.
package struct GeneratedFile: Equatable {
    /// Where it stands, relative to the root of the package.
    package let path: String
    /// What it must hold.
    package let contents: String

    package init(path: String, contents: String) {
        self.path = path
        self.contents = contents
    }

    /// Every generated file of the package at `root`, made from what is there now.
    ///
    /// A missing source folder makes an empty file, not an error: the package is built up folder by folder.
    package static func all(root: URL) throws -> [GeneratedFile] {
        [
            GeneratedFile(path: "registry/Assets.generated.swift", contents: try RegistryFolder(root: root).source()),
            GeneratedFile(
                path: "Sources/DeviceProfiles/Profiles.generated.swift",
                contents: try ProfileFolder(root: root).source()
            ),
        ]
    }

    /// Whether the file at `root` already holds this.
    package func isCurrent(root: URL) -> Bool {
        (try? Data(contentsOf: root.appendingPathComponent(path))) == Data(contents.utf8)
    }

    /// Writes the file whole or not at all.
    package func write(root: URL) throws {
        let url = root.appendingPathComponent(path)
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(contents.utf8).write(to: url, options: .atomic)
    }

    static let banner = """
        // Made by `make assets`; edit what it is made from, not this file.
        // swift-format-ignore-file


        """
}

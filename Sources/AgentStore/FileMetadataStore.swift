internal import MartletTypes
internal import TUF

/// The TUF metadata folder: the received bytes, one file for each role, replaced whole or not at all.
package struct FileMetadataStore: MetadataStore {
    private let files: any FileSystem
    private let folder: String

    package init(folder: String, files: any FileSystem = RealFileSystem()) {
        self.files = files
        self.folder = folder
    }

    package func load(_ role: String) throws -> [UInt8]? { try files.contents(of: path(role)) }

    package func save(_ role: String, _ bytes: [UInt8]) throws { try files.writeAtomically(bytes, to: path(role)) }

    package func remove(_ role: String) throws {
        try files.remove(path(role))
        try files.synchronizeFolder(folder)
    }

    private func path(_ role: String) -> String {
        let name = MetadataPath.file(role)
        // File names end at 255 bytes; a role may be any text. No encoded role begins with this.
        return "\(folder)/\(name.utf8.count <= 200 ? name : "%long-" + Digest.of(Array(role.utf8)).hex + ".json")"
    }
}

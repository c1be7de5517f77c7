internal import MartletTypes

/// Remembers open uploads in a folder, so that one that was killed goes on where it stood.
///
/// One small file for each blob and repository: which upload at which registry takes its bytes.
package struct UploadJournal: Sendable {
    private struct Entry: Codable {
        let origin: String
        let repository: String
        let digest: Digest
        let target: String
    }

    private let folder: String

    /// Remembers in `folder`, which is made where it is absent. Throws `ClientError` (`storageFailed`).
    package init(folder: String) throws(ClientError) {
        self.folder = folder
        try Self.naming { () throws(DurableFile.Failure) in try DurableFile.makeFolder(folder) }
    }

    /// Path and query of the open upload of a blob; nil where none is known.
    func target(of digest: Digest, in repository: RepositoryName, at origin: Origin) throws(ClientError) -> String? {
        let bytes = try Self.naming { () throws(DurableFile.Failure) in
            try DurableFile.read(path(digest, repository, origin), limit: ClientLimits.journalEntryBytes)
        }
        guard let bytes, let entry = try? JSONText.decode(Entry.self, from: bytes), entry.origin == origin.text,
            entry.repository == repository.text, entry.digest == digest
        else { return nil }
        return entry.target
    }

    func remember(
        _ target: String, of digest: Digest, in repository: RepositoryName, at origin: Origin
    ) throws(ClientError) {
        let entry = Entry(origin: origin.text, repository: repository.text, digest: digest, target: target)
        guard let bytes = try? JSONText.encode(entry) else { return }
        try Self.naming { () throws(DurableFile.Failure) in
            try DurableFile.write(bytes, to: path(digest, repository, origin), in: folder)
        }
    }

    func forget(_ digest: Digest, in repository: RepositoryName, at origin: Origin) throws(ClientError) {
        try Self.naming { () throws(DurableFile.Failure) in
            try DurableFile.remove(path(digest, repository, origin), in: folder)
        }
    }

    private func path(_ digest: Digest, _ repository: RepositoryName, _ origin: Origin) -> String {
        folder + "/" + Digest.of(Array("\(origin)\n\(repository)\n\(digest)".utf8)).hex + ".json"
    }

    private static func naming<Value>(_ body: () throws(DurableFile.Failure) -> Value) throws(ClientError) -> Value {
        do {
            return try body()
        } catch {
            throw ClientError(.storageFailed, "The journal of uploads", error.detail)
        }
    }
}

extension ClientLimits {
    /// An entry of the journal of uploads.
    static let journalEntryBytes = 16 * 1024
}

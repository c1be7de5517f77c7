internal import MartletTypes
internal import Synchronization
internal import TUF

/// Accepted TUF metadata in a folder, one file for each role, each replaced atomically.
package struct FileMetadataStore: MetadataStore {
    private let folder: String
    /// Calls take effect one after the other.
    private let turn = Turn()

    private final class Turn: Sendable {
        let lock = Mutex(())
    }

    /// Keeps metadata in `folder`, which is made where it is absent. Throws `ClientError` (`storageFailed`).
    package init(folder: String) throws(ClientError) {
        self.folder = folder
        try Self.naming("metadata folder") { () throws(DurableFile.Failure) in
            try DurableFile.makeFolder(folder)
        }
    }

    package func load(_ role: String) throws -> [UInt8]? {
        try turn.lock.withLock { _ in
            try Self.naming(role) { () throws(DurableFile.Failure) in
                try DurableFile.read(path(role), limit: Limits.tufMetadataBytes)
            }
        }
    }

    package func save(_ role: String, _ bytes: [UInt8]) throws {
        try turn.lock.withLock { _ in
            try Self.naming(role) { () throws(DurableFile.Failure) in
                try DurableFile.write(bytes, to: path(role), in: folder)
            }
        }
    }

    package func remove(_ role: String) throws {
        try turn.lock.withLock { _ in
            try Self.naming(role) { () throws(DurableFile.Failure) in
                try DurableFile.remove(path(role), in: folder)
            }
        }
    }

    /// A role may be any text, `../x` too: percent-encoded it is one component. One that is too long for a file name is
    /// named by its digest; `%s` never stands in an encoded name, so the two cannot meet.
    private func path(_ role: String) -> String {
        let encoded = MetadataPath.encoded(role)
        let name = encoded.utf8.count <= Self.nameBytes ? encoded : "%sha256-" + Digest.of(Array(role.utf8)).hex
        return folder + "/" + name + ".json"
    }

    /// `NAME_MAX` of Linux without `.json.tmp`.
    private static let nameBytes = 240

    private static func naming<Value>(
        _ role: String, _ body: () throws(DurableFile.Failure) -> Value
    ) throws(ClientError) -> Value {
        do {
            return try body()
        } catch {
            throw ClientError(.storageFailed, "Metadata of \(ClientError.printable(role))", error.detail)
        }
    }
}

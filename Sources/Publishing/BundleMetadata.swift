internal import MartletTypes
internal import RegistryClient
internal import Synchronization
internal import TUF

/// Fetches metadata and remembers each file: what a client needed is what a bundle must hold.
///
/// Files that are given take the place of the registry's, e.g. a timestamp that holds for longer.
final class MetadataRecorder: MetadataFetcher {
    private let base: HTTPMetadataFetcher
    private let given: [String: [UInt8]]
    private let seen = Mutex<[String: [UInt8]]>([:])

    init(base: HTTPMetadataFetcher, given: [String: [UInt8]]) {
        self.base = base
        self.given = given
    }

    /// All that was fetched, by name.
    var files: [String: [UInt8]] { seen.withLock { $0 } }

    func fetch(_ path: String, limit: Int) async throws -> [UInt8]? {
        let bytes: [UInt8]?
        if let ours = given[path] { bytes = ours } else { bytes = try await base.fetch(path, limit: limit) }
        if let bytes { seen.withLock { $0[path] = bytes } }
        return bytes
    }

    /// What a client takes from memory is not fetched, and must be there all the same.
    func add(_ path: String, _ bytes: [UInt8]) { seen.withLock { $0[path] = bytes } }
}

/// What signed files say of themselves, for people; whoever relies on it verifies them.
enum SignedFile {
    /// When a document ends; nil where it does not say.
    static func expires(_ bytes: [UInt8]) throws -> Timestamp? {
        try JSONValue(parsing: bytes)["signed"]?["expires"]?.string.map { try Timestamp($0) }
    }

    /// `3.clinic-bin-a.json` as version 3 and `clinic-bin-a`; of an unversioned name the version is nil.
    static func role(of file: String) -> (version: Int?, role: String) {
        let stem = file.hasSuffix(".json") ? file.dropLast(5) : file[...]
        guard let dot = stem.firstIndex(of: "."), let version = Int(stem[..<dot]) else { return (nil, String(stem)) }
        return (version, String(stem[stem.index(after: dot)...]))
    }
}

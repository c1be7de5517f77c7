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

/// The roles that no release of a bundle needs. A registry that takes the bundle in may get devices that have seen them
/// named, and publishers who go on there; to a device it is some hundred bytes for each part.
struct RestOfMetadata {
    let tuf: TUFClient

    /// Loads all that is delegated, for whoever records what the client fetches. Passes over what has ended or is not
    /// there, and does nothing where it would be too much for one bundle.
    func load() async throws {
        let named = await tuf.namedRoles
        let length = named.values.reduce(0) { $0 + ($1.length ?? 0) }
        guard length <= PublishLimits.bundledMetadataBytes else { return }
        let names = named.keys.sorted()
        guard let targets = try await role([])?.delegations else { return }
        for namespace in names where targets.verifier(for: namespace) != nil {
            guard let bins = try await role([namespace])?.delegations else { continue }
            for bin in names where bins.verifier(for: bin) != nil { _ = try await role([namespace, bin]) }
        }
    }

    /// A function of its own: catching inside a loop of an async function crashes the optimiser of Swift 6.3.1.
    private func role(_ chain: [String]) async throws -> TargetsMetadata? {
        do {
            return try await tuf.role(chain)
        } catch {
            guard let reason = (error as? TUFError)?.reason, [.expired, .missing].contains(reason) else { throw error }
            return nil
        }
    }
}

extension PublishLimits {
    /// Metadata that a bundle takes beside what its releases need: half of what a registry reads of one import.
    static let bundledMetadataBytes = 2 * Int64(Limits.tufMetadataBytes)
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

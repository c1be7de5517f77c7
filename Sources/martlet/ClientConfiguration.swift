import FoundationEssentials
import Glibc
import MartletTypes
import RegistryClient

/// What `martlet login` and `martlet trust init` leave for later commands: `$XDG_CONFIG_HOME/martlet/config.json`.
///
/// Holds the operator's token, so it is readable by its owner only.
struct ClientConfiguration: Codable, Sendable {
    /// The registry's operator address.
    var server: String?
    /// The bearer token.
    var token: String?
    /// PEM of the authority that signed the registry's certificate; nil takes the system's.
    var authority: String?
    /// The digest of the first root metadata that this operator believes.
    var rootDigest: Digest?
    /// Publishers' keys (paths or URIs) by namespace.
    var keys: [String: String]?

    static let empty = ClientConfiguration()

    /// The file: `--config`, `$MARTLET_CONFIG`, else below XDG's configuration folder.
    static func path(_ given: String?) -> String {
        let environment = ProcessInfo.processInfo.environment
        if let given = given ?? environment["MARTLET_CONFIG"] { return given }
        return xdg("XDG_CONFIG_HOME", ".config") + "/martlet/config.json"
    }

    /// Where offline keys live unless told otherwise: below XDG's data folder.
    static var keyFolder: String { xdg("XDG_DATA_HOME", ".local/share") + "/martlet/keys" }

    /// Where verified metadata is cached, by the root that it descends from.
    static func metadataFolder(for root: Digest) -> String {
        xdg("XDG_CACHE_HOME", ".cache") + "/martlet/tuf/" + root.hex
    }

    /// Where killed uploads are remembered.
    static var uploadFolder: String { xdg("XDG_CACHE_HOME", ".cache") + "/martlet/uploads" }

    /// A folder of this operator alone for archives while they are made.
    static func scratchFolder() throws -> String {
        let folder = xdg("XDG_CACHE_HOME", ".cache") + "/martlet/scratch"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        return folder
    }

    /// Where this operator's memory of audit logs is kept: it must outlive caches.
    static var stateFolder: String { xdg("XDG_STATE_HOME", ".local/state") + "/martlet" }

    static func load(_ path: String) throws(CommandError) -> ClientConfiguration {
        guard FileManager.default.fileExists(atPath: path) else { return .empty }
        do {
            return try JSONText.decode(ClientConfiguration.self, from: LocalText.read(path))
        } catch {
            throw CommandError(
                "configurationUnreadable", "The configuration \(path) cannot be read: \(error).",
                remedy: "Mend or remove it, then run `martlet login` again.", fault: .environment)
        }
    }

    func save(_ path: String) throws {
        let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
        let text = try JSONText.encode(self, pretty: true)
        do {
            try DurableFile.makeFolder(folder)
            try DurableFile.write(text, to: path, in: folder)
        } catch {
            throw CommandError(
                "fileUnwritable", "The configuration cannot be kept: \(error.detail).",
                remedy: "Check the folder's permissions and the free space.", fault: .environment)
        }
    }

    private static func xdg(_ variable: String, _ fallback: String) -> String {
        let environment = ProcessInfo.processInfo.environment
        if let value = environment[variable], value.hasPrefix("/") { return value }
        return (environment["HOME"] ?? "/root") + "/" + fallback
    }
}

/// Files of the operator's own.
enum LocalText {
    /// All of a file. Throws `fileUnreadable`.
    static func read(_ path: String) throws(CommandError) -> [UInt8] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw CommandError(
                "fileUnreadable", "Cannot read \(path): \(String(cString: strerror(errno))).",
                remedy: "Check that it exists and that you may read it.")
        }
        return Array(data)
    }

    /// A file of this user's alone, whole or not at all, replacing one that is there. Throws `fileUnwritable`.
    static func write(_ bytes: [UInt8], to path: String) throws(CommandError) {
        let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        do {
            try DurableFile.write(bytes, to: path, in: folder.isEmpty ? "/" : folder)
        } catch {
            throw CommandError(
                "fileUnwritable", "\(error.detail).", remedy: "Check the folder's permissions and the free space.",
                fault: .environment)
        }
    }
}

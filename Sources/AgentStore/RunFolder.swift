internal import Glibc
internal import MartletTypes

/// Where a running agent has its sockets and addresses: `run` in the data folder, or, while that takes no writes, a
/// folder in memory that both the agent and those who ask it can name.
package enum RunFolder {
    /// Folders for the agent of a data folder, the usual one first. `runtime` is systemd's `$RUNTIME_DIRECTORY`.
    package static func candidates(data: String, runtime: String? = nil) -> [String] {
        let resolved = realpath(data, nil)
        defer { free(resolved) }
        let path = resolved.map { String(cString: $0) } ?? data
        let name = String(Digest.of(Array(path.utf8)).hex.prefix(nameDigits))
        // Several folders of one unit are divided by colons.
        let given = runtime?.split(separator: ":").first.map(String.init) ?? "/run/martlet-agent"
        return [data + "/run", "\(given)/\(name)"]
            + ["/run", "/dev/shm", "/tmp"].map { "\($0)/martlet-agent-\(name)" }
    }

    /// The first of the folders besides the data folder's own that this user has to itself, made where it is absent.
    static func elsewhere(data: String, runtime: String?) -> String? {
        candidates(data: data, runtime: runtime).dropFirst().first { path in
            guard mkdir(path, 0o700) == 0 || errno == EEXIST, let owner = owner(of: path), owner == geteuid() else {
                return false
            }
            return chmod(path, 0o700) == 0 && access(path, W_OK) == 0
        }
    }

    /// Whether a folder is that of the agent that has the data folder, and no trap of somebody else.
    package static func isTrusted(_ path: String, data: String) -> Bool {
        guard let owner = owner(of: path) else { return false }
        return owner == 0 || owner == geteuid() || owner == self.owner(of: data)
    }

    /// The owner of a folder; nil where it is none, a link included.
    private static func owner(of path: String) -> uid_t? {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { return nil }
        return status.st_uid
    }

    /// Hexadecimal digits of the name: enough to tell data folders of one machine apart, short for socket addresses.
    private static let nameDigits = 12
}

import HTTPTypes
import MartletTypes
import RegistryClient
import TUF

/// Fetches targets that the metadata names, and keeps them where their content is right.
struct TargetDownload {
    let client: TUFClient
    let http: HTTPClient
    let base: BaseURL
    let folder: String

    /// Targets are read into memory whole.
    private static let maxBytes: Int64 = 256 * 1024 * 1024

    /// Downloads one target, unless it is there already with the right content. Throws where no role names it.
    func run(_ path: String) async throws {
        guard let target = try await client.target(path) else {
            throw TUFError(.missing, role: path, "No role that is trusted for \(path) names it.")
        }
        guard target.length <= Self.maxBytes else {
            throw TUFError(.lengthExceeded, role: path, "\(path) is over \(Self.maxBytes) bytes.")
        }
        // One file name for any path, whatever stands in it.
        let file = folder + "/" + MetadataPath.encoded(path)
        if LocalFile.exists(file), let kept = try? LocalFile.read(file, limit: Int(target.length)),
            (try? target.check(kept, path: path)) != nil
        {
            return
        }
        let isPrefixed = await client.root.consistentSnapshot
        let call = HTTPCall(.get, base.path + Self.file(of: path, target, isPrefixed: isPrefixed))
        let reply = try await http.perform(call, limit: Int(target.length))
        guard reply.status == 200 else {
            throw TUFError(.missing, role: path, "The repository answered \(reply.status) for \(path).")
        }
        try target.check(reply.body, path: path)
        try LocalFile.write(reply.body, to: file)
    }

    /// `a/HASH.b` for `a/b` with consistent snapshots (TUF 1.0 section 6.2), each component percent-encoded.
    private static func file(of path: String, _ target: TargetFile, isPrefixed: Bool) -> String {
        var parts = path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        let hash = target.hashes["sha256"] ?? target.hashes["sha512"]
        if isPrefixed, let hash, let name = parts.popLast() { parts.append(hash + "." + name) }
        return parts.map(MetadataPath.encoded).joined(separator: "/")
    }
}

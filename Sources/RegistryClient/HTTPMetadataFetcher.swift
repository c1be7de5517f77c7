internal import HTTPTypes
internal import MartletTypes
package import TUF
package import Trust

/// TUF metadata from a registry's `/tuf/`.
package struct HTTPMetadataFetcher: MetadataFetcher {
    private let http: HTTPClient
    private let prefix: String
    private let deadline: Duration

    /// Fetches below `prefix`, which ends with a slash; `deadline` is how long one file may take.
    package init(http: HTTPClient, prefix: String = "/tuf/", deadline: Duration = ClientLimits.metadataDeadline) {
        self.http = http
        self.prefix = prefix
        self.deadline = deadline
    }

    package func fetch(_ path: String, limit: Int) async throws -> [UInt8]? {
        let call = HTTPCall(.get, prefix + path, deadline: deadline)
        let reply = try await http.perform(call, limit: limit)
        switch reply.status {
        case 200: return reply.body
        case 404: return nil
        default: throw ClientError(answer: reply, subject: "GET \(http.origin)\(prefix)\(path)")
        }
    }
}

extension HTTPMetadataFetcher {
    /// The bytes of a target that is no release, e.g. `martlet/trust.json`, checked against what metadata says of them.
    package func target(_ path: String, _ file: TargetFile) async throws -> [UInt8] {
        guard let hash = file.hashes["sha256"], file.length <= Int64(Limits.apiBodyBytes) else {
            throw ClientError(.invalidCall, path, "the target has no SHA-256 or is over \(Limits.apiBodyBytes) bytes")
        }
        let slash = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
        let name = "targets/" + path[..<slash] + hash.lowercased() + "." + path[slash...]
        guard let bytes = try await fetch(name, limit: Int(file.length)) else {
            throw ClientError(.unexpectedStatus, "GET \(http.origin)\(prefix)\(name)", "it is not there", status: 404)
        }
        try file.check(bytes, path: path)
        return bytes
    }

    /// The verified trust document of a registry, after `tuf` was refreshed.
    package func trustDocument(_ tuf: TUFClient) async throws -> TrustDocument {
        guard let file = try await tuf.target(TrustDocument.path) else {
            throw ClientError(
                .malformedReply, "\(http.origin)", "the owner's targets do not name \(TrustDocument.path)")
        }
        return try TrustDocument(parsing: try await target(TrustDocument.path, file))
    }
}

extension ClientLimits {
    /// One metadata file: a server that drips bytes must not hold a refresh for ever (slow retrieval).
    package static let metadataDeadline = Duration.seconds(120)
}

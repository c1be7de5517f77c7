internal import HTTPTypes
internal import MartletTypes
internal import TUF

/// TUF metadata from a registry's `/tuf/`.
package struct HTTPMetadataFetcher: MetadataFetcher {
    private let http: HTTPClient
    private let prefix: String

    /// Fetches below `prefix`, which ends with a slash.
    package init(http: HTTPClient, prefix: String = "/tuf/") {
        self.http = http
        self.prefix = prefix
    }

    package func fetch(_ path: String, limit: Int) async throws -> [UInt8]? {
        let call = HTTPCall(.get, prefix + path, deadline: ClientLimits.metadataDeadline)
        let reply = try await http.perform(call, limit: limit)
        switch reply.status {
        case 200: return reply.body
        case 404: return nil
        default: throw ClientError(answer: reply, subject: "GET \(http.origin)\(prefix)\(path)")
        }
    }
}

extension ClientLimits {
    /// One metadata file: a server that drips bytes must not hold a refresh for ever (slow retrieval).
    package static let metadataDeadline = Duration.seconds(120)
}

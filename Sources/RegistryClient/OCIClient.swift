internal import HTTPTypes
package import MartletTypes

/// Pushes and pulls by the OCI distribution spec 1.1. Everything is named by digest and checked against it.
package struct OCIClient: Sendable {
    /// The transport.
    package let http: HTTPClient
    /// Bytes of one chunk of an upload.
    let chunkBytes: Int
    /// Waits before the next attempt, given how many failed; tests pass one that returns at once.
    let pause: @Sendable (Int) async throws -> Void

    package init(
        http: HTTPClient, chunkBytes: Int = Limits.uploadChunkBytes,
        pause: @escaping @Sendable (Int) async throws -> Void = { failures in
            try await Task.sleep(for: .milliseconds(250 << min(failures, 6)))
        }
    ) {
        self.http = http
        self.chunkBytes = chunkBytes
        self.pause = pause
    }

    /// The length of a blob that the registry has; nil where it has none (or does not let us know).
    package func blobSize(_ digest: Digest, in repository: RepositoryName) async throws(ClientError) -> ByteCount? {
        let call = HTTPCall(.head, Self.blob(digest, repository))
        let reply = try await http.perform(call, limit: 0)
        switch reply.status {
        case 200:
            guard let length = reply.fields[.contentLength].flatMap({ Int64($0) }), length >= 0 else {
                throw ClientError(.malformedReply, subject(call), "the answer has no length")
            }
            return ByteCount(length)
        case 404: return nil
        default: throw ClientError(answer: reply, subject: subject(call))
        }
    }

    /// The digest that a tag or digest stands for; nil where the registry has no such manifest.
    package func manifestDigest(
        _ reference: String, in repository: RepositoryName
    ) async throws(ClientError) -> Digest? {
        var call = HTTPCall(.head, Self.manifest(reference, repository))
        call.fields[.accept] = Self.manifestTypes
        let reply = try await http.perform(call, limit: 0)
        switch reply.status {
        case 200:
            guard let name = HTTPField.Name("Docker-Content-Digest"), let text = reply.fields[name],
                let digest = try? Digest(text)
            else { throw ClientError(.malformedReply, subject(call), "the answer names no digest") }
            return digest
        case 404: return nil
        default: throw ClientError(answer: reply, subject: subject(call))
        }
    }

    /// The bytes of a manifest or index, which are those that the digest names.
    package func manifest(_ digest: Digest, in repository: RepositoryName) async throws(ClientError) -> [UInt8] {
        var call = HTTPCall(.get, Self.manifest(digest.text, repository))
        call.fields[.accept] = Self.manifestTypes
        let reply = try await http.perform(call, limit: Limits.manifestBytes)
        guard reply.status == 200 else { throw ClientError(answer: reply, subject: subject(call)) }
        let found = Digest.of(reply.body, digest.algorithm)
        guard found == digest else {
            throw ClientError(.digestMismatch, subject(call), "the bytes received have digest \(found)")
        }
        return reply.body
    }

    /// Puts a manifest or index under its digest, and under a tag where given. Returns its digest.
    package func putManifest(
        _ bytes: [UInt8], mediaType: String, in repository: RepositoryName, tag: String? = nil
    ) async throws(ClientError) -> Digest {
        let digest = Digest.of(bytes)
        var call = HTTPCall(.put, Self.manifest(tag ?? digest.text, repository), body: .bytes(bytes))
        call.fields[.contentType] = mediaType
        let reply = try await http.perform(call, limit: ClientLimits.errorBodyBytes)
        guard reply.status == 201 else { throw ClientError(answer: reply, subject: subject(call)) }
        return digest
    }

    static func blob(_ digest: Digest, _ repository: RepositoryName) -> String { "/v2/\(repository)/blobs/\(digest)" }

    static func manifest(_ reference: String, _ repository: RepositoryName) -> String {
        "/v2/\(repository)/manifests/\(reference)"
    }

    func subject(_ call: HTTPCall) -> String {
        "\(call.method.rawValue) \(http.origin)\(call.target.prefix { $0 != "?" })"
    }

    private static let manifestTypes =
        "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json"
}

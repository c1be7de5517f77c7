internal import HTTPTypes
package import MartletTypes

extension OCIClient {
    /// The index of what is kept beside a manifest, of one artifact type where given: bytes of an OCI image index.
    ///
    /// What the registry lists is a claim: each entry is read by its digest and proves itself.
    /// Source: OCI distribution spec 1.1, "Listing Referrers".
    package func referrers(
        of digest: Digest, type: String? = nil, in repository: RepositoryName
    ) async throws(ClientError) -> [UInt8] {
        let query = type.map { "?artifactType=" + $0.replacing("+", with: "%2B") } ?? ""
        let call = HTTPCall(.get, "/v2/\(repository)/referrers/\(digest)\(query)")
        let reply = try await http.perform(call, limit: Limits.manifestBytes)
        guard reply.status == 200 else { throw ClientError(answer: reply, subject: subject(call)) }
        return reply.body
    }

    /// The bytes of a small blob, which are those that the digest names.
    ///
    /// Throws `ClientError`: `invalidCall` where the blob is longer than `limit`.
    package func document(
        _ digest: Digest, size: ByteCount, limit: Int, from repository: RepositoryName
    ) async throws -> [UInt8] {
        let call = HTTPCall(.get, Self.blob(digest, repository))
        guard size.bytes <= limit else {
            throw ClientError(.invalidCall, subject(call), "\(size.bytes) bytes are more than the \(limit) allowed")
        }
        let reply = try await http.perform(call, limit: limit)
        guard reply.status == 200 else { throw ClientError(answer: reply, subject: subject(call)) }
        let found = Digest.of(reply.body, digest.algorithm)
        guard found == digest else {
            throw ClientError(.digestMismatch, subject(call), "the bytes received have digest \(found)")
        }
        return reply.body
    }
}

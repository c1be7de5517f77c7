package import MartletTypes
package import TUF
package import Trust

/// What a new device learns from a registry before it can check the registry's certificate.
///
/// The join token names the first root by its digest and the authority by its fingerprint. Everything in between is
/// signed, so it may come from whoever answers; no credential is sent on this way.
package struct TrustBootstrap: Sendable {
    /// The first root metadata, the one that the join token names.
    package let root: [UInt8]
    /// Whom the owner tells devices to trust.
    package let trust: TrustDocument
    /// The certificates (PEM) of all authorities that the owner names; one of them has the join token's fingerprint.
    package var authorityPEM: [UInt8] { Array(trust.certificateAuthorities.joined(separator: "\n").utf8) }

    /// Fetches and verifies; accepted metadata is kept in `store`, for the device's own client to go on from.
    ///
    /// Throws `ClientError` (`certificateUntrusted` where no authority has the token's fingerprint), `TUFError`,
    /// `TrustError`, `InvalidValue`.
    package static func run(token: JoinToken, store: any MetadataStore, now: Timestamp) async throws -> TrustBootstrap {
        var configuration = HTTPClientConfiguration()
        configuration.acceptsAnyPeer = true
        let http = try HTTPClient(origin: Origin(token.registry), configuration: configuration)
        let result: Result<TrustBootstrap, any Error>
        do {
            result = .success(try await fetch(token, http, store, now))
        } catch {
            result = .failure(error)
        }
        await http.close()
        return try result.get()
    }

    private static func fetch(
        _ token: JoinToken, _ http: HTTPClient, _ store: any MetadataStore, _ now: Timestamp
    ) async throws -> TrustBootstrap {
        let fetcher = HTTPMetadataFetcher(http: http)
        let path = MetadataPath.file(RootMetadata.type, version: 1)
        guard let root = try await fetcher.fetch(path, limit: Limits.tufRootBytes) else {
            throw ClientError(.unexpectedStatus, "GET \(http.origin)/tuf/\(path)", "it is not there", status: 404)
        }
        guard Digest.of(root, token.rootDigest.algorithm) == token.rootDigest else {
            throw ClientError(
                .digestMismatch, "GET \(http.origin)/tuf/\(path)",
                "the first root is not the one that the join token names")
        }
        let tuf = try TUFClient(trustedRoot: root, fetcher: fetcher, store: store)
        try await tuf.refresh(now: now)
        let trust = try await fetcher.trustDocument(tuf)
        let fingerprints = try trust.certificateAuthorities.map {
            try CertificateFacts(Array($0.utf8)).sha256Fingerprint
        }
        guard fingerprints.contains(token.caFingerprint) else {
            throw ClientError(
                .certificateUntrusted, "\(http.origin)",
                "no authority of this registry has the join token's fingerprint")
        }
        return TrustBootstrap(root: root, trust: trust)
    }
}

internal import AgentStore
internal import MartletTypes
internal import RegistryClient

extension RegistryLink {
    /// Reads metadata, which is signed by itself.
    ///
    /// Where TLS fails because one side does not know the other's authority any more, the registry is asked once more
    /// without a look at its certificate and without showing ours: the owner may have named other authorities while
    /// this device was off, and only the owner's signed metadata says so. Nothing secret goes this way, and nothing
    /// else is read by it.
    func signed<Value: Sendable>(_ read: (HTTPMetadataFetcher) async throws -> Value) async throws -> Value {
        do {
            return try await read(HTTPMetadataFetcher(http: try http()))
        } catch {
            guard let failure = error as? ClientError, Self.isOfAuthorities(failure) else { throw error }
            return try await readOpenly(read)
        }
    }

    static func isOfAuthorities(_ error: ClientError) -> Bool {
        [.certificateUntrusted, .certificateRefused, .tlsFailed].contains(error.reason)
    }

    private func readOpenly<Value: Sendable>(
        _ read: (HTTPMetadataFetcher) async throws -> Value
    ) async throws -> Value {
        guard let identity = try identity() else { throw AgentError.notEnrolled }
        var configuration = HTTPClientConfiguration(userAgent: "martlet-agent/\(MartletVersion.text)")
        configuration.acceptsAnyPeer = true
        let open = try HTTPClient(origin: Origin(identity.registry), configuration: configuration)
        let result: Result<Value, any Error>
        do {
            result = .success(try await read(HTTPMetadataFetcher(http: open)))
        } catch {
            result = .failure(error)
        }
        await open.close()
        return try result.get()
    }
}

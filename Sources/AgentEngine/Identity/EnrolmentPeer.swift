package import MartletAPI
package import MartletTypes
package import RegistryClient
internal import TUF
package import Trust

/// The registry as a new device sees it.
package protocol EnrolmentPeer: Sendable {
    /// What the join token vouches for, verified; nothing secret is sent.
    func bootstrap(_ token: JoinToken, now: Timestamp) async throws -> TrustBootstrap
    /// Asks for the first certificate over TLS that leads to `authorityPEM` and nothing else.
    func enrol(_ request: EnrolRequest, at registry: String, authorityPEM: [UInt8]) async throws -> EnrolAnswer
}

/// The registry over the network.
package struct NetworkEnrolmentPeer: EnrolmentPeer {
    package init() {}

    package func bootstrap(_ token: JoinToken, now: Timestamp) async throws -> TrustBootstrap {
        try await TrustBootstrap.run(token: token, store: InMemoryMetadataStore(), now: now)
    }

    package func enrol(
        _ request: EnrolRequest, at registry: String, authorityPEM: [UInt8]
    ) async throws -> EnrolAnswer {
        let http = try HTTPClient(
            origin: Origin(registry),
            configuration: HTTPClientConfiguration(
                authorityPEM: authorityPEM, userAgent: "martlet-agent/" + MartletVersion.text))
        let result: Result<EnrolAnswer, any Error>
        do {
            result = .success(try await DeviceClient(http: http).enrol(request))
        } catch {
            result = .failure(error)
        }
        await http.close()
        return try result.get()
    }
}

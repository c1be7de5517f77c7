package import AgentStore
package import MartletAPI
internal import MartletTypes
internal import RegistryClient
internal import Trust

/// The registry as a device sees it that asks for its next certificate.
package protocol RenewalPeer: Sendable {
    func nonce() async throws -> RenewalNonce
    func renew(_ request: RenewRequest) async throws -> EnrolAnswer
}

/// The registry over the network, without a certificate of the device: it may have expired long ago.
package struct NetworkRenewalPeer: RenewalPeer {
    private let store: IdentityStore

    package init(store: IdentityStore) { self.store = store }

    package func nonce() async throws -> RenewalNonce {
        try await call { client in try await client.renewalNonce() }
    }

    package func renew(_ request: RenewRequest) async throws -> EnrolAnswer {
        try await call { client in try await client.renew(request) }
    }

    private func call<Answer: Sendable>(_ body: (DeviceClient) async throws -> Answer) async throws -> Answer {
        guard let identity = try store.load() else { throw AgentError.notEnrolled }
        let http = try HTTPClient(
            origin: Origin(identity.registry),
            configuration: HTTPClientConfiguration(
                authorityPEM: Array(identity.authorities.joined(separator: "\n").utf8),
                userAgent: "martlet-agent/" + MartletVersion.text))
        let result: Result<Answer, any Error>
        do {
            result = .success(try await body(DeviceClient(http: http)))
        } catch {
            result = .failure(error)
        }
        await http.close()
        return try result.get()
    }
}

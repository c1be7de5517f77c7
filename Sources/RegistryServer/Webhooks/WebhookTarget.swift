import Foundation
import MartletTypes

/// The address of an endpoint, checked.
struct WebhookTarget: Sendable {
    let url: String
    /// The name or address, without brackets.
    let host: String

    /// Checks an address; throws 422 `badWebhookURL`.
    init(_ text: String) throws {
        func refuse(_ why: String) -> ServerError {
            .unprocessable(
                "badWebhookURL", "This is no address of an endpoint: \(why).",
                remedy: "Give http://HOST:PORT/PATH or https://HOST/PATH.", field: "/url")
        }
        guard text.utf8.count <= ServerLimits.webhookURLBytes else { throw refuse("it is too long") }
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }), let parsed = URL(string: text) else {
            throw refuse("it is not well-formed")
        }
        guard let scheme = parsed.scheme?.lowercased(), ["http", "https"].contains(scheme) else {
            throw refuse("its scheme is neither http nor https")
        }
        guard parsed.user == nil, parsed.password == nil else {
            throw refuse("it holds a user or password, which lists would show")
        }
        guard parsed.fragment == nil else { throw refuse("it has a fragment") }
        let host = (parsed.host ?? "").trimmingCharacters(in: CharacterSet(charactersIn: "[]"))
        guard !host.isEmpty, !host.contains("%") else { throw refuse("it has no host") }
        url = text
        self.host = host
    }

    /// The addresses of the host that may be sent to. Throws 422 `forbiddenAddress` where it has addresses, and none
    /// of them may; empty where it has none.
    func addresses(within network: WebhookNetwork) async throws -> [NetworkAddress] {
        let all = try await NetworkAddress.resolve(host)
        let permitted = all.filter { address in address.network.map { $0 <= network } ?? false }
        guard permitted.isEmpty, let first = all.first else { return permitted }
        let remedy =
            switch first.network {
            case .loopback: "Endpoints on this machine need --webhook-network loopback."
            case .private: "Endpoints in private networks need --webhook-network private."
            default: "Nothing is ever sent to link-local, metadata and multicast addresses."
            }
        throw ServerError.unprocessable(
            "forbiddenAddress", "The endpoint's host \(host) is \(first), where nothing is sent.", remedy: remedy,
            field: "/url")
    }
}

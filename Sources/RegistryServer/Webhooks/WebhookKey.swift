import Foundation
import MartletTypes
import RegistryStore
import Trust

/// Makes the secrets of webhooks and signs with them (Standard Webhooks).
///
/// A secret is a code of one key over the webhook's identifier and the secret's number, so that no secret is kept
/// anywhere: whoever has the database without the key cannot sign.
struct WebhookKey: Sendable {
    private static let bytes = 32
    private let key: [UInt8]

    /// Reads the key of a data folder, `keys/webhooks.key` with mode 0600; makes it where there is none.
    static func open(_ folder: DataFolder) throws -> WebhookKey {
        let file = folder.keys + "/webhooks.key"
        if let text = try folder.read(file) {
            guard let key = Hex.decode(String(decoding: text.prefix { $0 != 0x0a }, as: UTF8.self)),
                key.count == bytes
            else {
                throw ServerError(
                    500, "badWebhookKey", "\(file) is no key of webhooks.",
                    remedy: "Restore it from the backup; without it every webhook needs a new secret.",
                    fault: .environment)
            }
            return WebhookKey(key: key)
        }
        let key = try RandomBytes.make(bytes)
        try folder.write(Array((Hex.encode(key) + "\n").utf8), to: file, mode: 0o600)
        return WebhookKey(key: key)
    }

    init(key: [UInt8]) { self.key = key }

    /// A webhook's secret, raw.
    private func secret(_ webhook: String, _ number: Int64) -> [UInt8] {
        MessageCode.sha256(key: key, Array("martlet webhook secret\n\(webhook)\n\(number)".utf8))
    }

    /// A webhook's secret as its receiver gets it: `whsec_` and base64.
    func secretText(_ webhook: String, _ number: Int64) -> String {
        "whsec_" + Data(secret(webhook, number)).base64EncodedString()
    }

    /// The value of `webhook-signature`: a signature by each secret, the present one first.
    func signature(of webhook: WebhookRow, event: String, at now: Timestamp, _ body: [UInt8]) -> String {
        let message = Array("\(event).\(now.seconds).".utf8) + body
        return webhook.secrets(at: now).map { held in
            let code = MessageCode.sha256(key: secret(webhook.id, held.number), message)
            return "v1," + Data(code).base64EncodedString()
        }.joined(separator: " ")
    }
}

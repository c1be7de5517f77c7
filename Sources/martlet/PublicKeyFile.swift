import FoundationEssentials
import MartletTypes
import TUF
import Trust

/// The public half of a key in a file: PEM as `openssl pkey -pubout` writes it, or the private key itself.
enum PublicKeyFile {
    private static let head = "-----BEGIN PUBLIC KEY-----"
    private static let foot = "-----END PUBLIC KEY-----"
    /// SubjectPublicKeyInfo of Ed25519 before its 32 bytes (RFC 8410).
    private static let ed25519Head: [UInt8] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00]

    /// Reads a public key, or opens a private one for its public half.
    static func read(_ location: KeyLocation, _ options: KeyOptions) throws -> PublicKey {
        if let text = try publicText(location) {
            if let start = text.firstRange(of: head), let end = text.firstRange(of: foot) {
                let lines = text[start.upperBound..<end.lowerBound].filter { !$0.isWhitespace }
                guard let der = Data(base64Encoded: String(lines)) else {
                    throw CommandError(
                        "badPublicKey", "\(location) is no public key in PEM.",
                        remedy: "Write one with `martlet trust key FILE --public-key OUT`.")
                }
                return try PublicKey(subjectPublicKeyInfo: Array(der))
            }
        }
        return try options.open(location).publicKey
    }

    /// The private key; nil where the file holds a public one.
    static func privateKey(_ location: KeyLocation, _ options: KeyOptions) throws -> KeyPair? {
        try publicText(location) == nil ? try options.open(location) : nil
    }

    /// The text of a file that holds a public key.
    private static func publicText(_ location: KeyLocation) throws -> String? {
        guard location.scheme == nil else { return nil }
        let text = String(decoding: try LocalText.read(location.text), as: UTF8.self)
        return text.contains(head) ? text : nil
    }

    /// The key in PEM.
    static func pem(_ key: PublicKey) throws -> [UInt8] {
        guard key.keytype == "ed25519", let raw = Hex.decode(key.value) else { return Array(key.value.utf8) }
        return Array("\(head)\n\(Data(ed25519Head + raw).base64EncodedString())\n\(foot)\n".utf8)
    }
}

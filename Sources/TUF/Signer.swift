/// Something that can sign: a private key in a file, a token or a TPM.
package protocol Signer: Sendable {
    /// The key that verifies its signatures.
    var publicKey: PublicKey { get }
    /// Signs `message` by the scheme of `publicKey`. Cost: one private-key operation, on a token up to a second.
    func sign(_ message: [UInt8]) throws -> [UInt8]
}

import ArgumentParser
import MartletTypes
import Publishing
import Trust

/// What is kept beside a release, the same for `martlet publish` and `martlet attach`.
struct AttachmentOptions: ParsableArguments {
    @Option(
        help: """
            An ECDSA P-256 key that signs the model in the format of OpenSSF Model Signing v1.0, for the tool \
            model-signing and for devices whose owner demands it; a PKCS#8 PEM file or a URI, may be repeated.
            """,
        completion: .file())
    var modelSignatureKey: [KeyLocation] = []

    @Option(help: "A bundle that the tool model-signing made over one variant's files.", completion: .file())
    var modelSignature: [String] = []

    @Flag(help: "Attach a bill of materials: CycloneDX 1.6 in JSON, made from the release.")
    var bom = false

    /// Opens the keys and reads the bundles.
    func read(_ keys: KeyOptions) async throws -> Attachments {
        var attachments = Attachments(signers: try keys.open(modelSignatureKey), bill: bom)
        for path in modelSignature { attachments.signatures.append(try await ModelSignatureFile.read(path)) }
        return attachments
    }
}

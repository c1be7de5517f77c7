import ArgumentParser
import MartletTypes
import Publishing
import RegistryClient

struct Attach: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Keep a model signature or a bill of materials beside a release.",
        discussion: """
            Signs the digests that the verified release names; its weights are not read. `oras discover` shows what \
            is there: signatures at each variant's manifest, the bill at the release's index.

            Examples:
              martlet attach clinic/base:1.0.0 --model-signature-key keys/model.pem
              martlet attach clinic/base:1.0.0 --model-signature model.sig --bom
            """)

    @Argument(help: "NAMESPACE/NAME:VERSION.", transform: ReleaseReference.init) var release: ReleaseReference
    @OptionGroup var attachments: AttachmentOptions
    @OptionGroup var publisher: PublisherOptions
    @OptionGroup var options: GlobalOptions

    func validate() throws {
        guard attachments.bom || !attachments.modelSignatureKey.isEmpty || !attachments.modelSignature.isEmpty else {
            throw ValidationError("Give --model-signature-key, --model-signature or --bom.")
        }
    }

    func run() async throws {
        let session = try options.session()
        let path = try await session.resolve(release)
        let wanted = try await attachments.read(publisher.keys)
        // Nothing is signed for the namespace: whoever may push may attach.
        let context = try await publisher.context(session, keys: publisher.key)
        let attached = try await AttachmentUpload(context: context).run(wanted, to: path)
        try options.printer.say(attached) { attached in
            attached.map { "\($0.isNew ? "Attached" : "Unchanged:") \($0.type) \($0.digest) to \($0.subject)." }
                .joined(separator: "\n")
        }
    }
}

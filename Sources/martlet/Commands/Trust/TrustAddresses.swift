import ArgumentParser
import MartletTypes
import Publishing

struct TrustAddresses: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "addresses",
        abstract: "Tell devices where they reach the registry, in the order in which they shall try.",
        discussion: """
            First name the new address beside the old one; when devices have followed, name it alone. A device that \
            was off meanwhile knows the old address only: keep that answering, or enrol the device again.

            Example:
              martlet trust addresses https://new.example:8443 https://old.example:8443
            """)

    @Argument(help: "Origins of the devices' listener, e.g. https://registry.example:8443.") var address: [String]
    @Option(help: "Where a blob's download may be redirected to; without it that stays as it is.")
    var blobOrigin: [String] = []
    @OptionGroup var change: ChangeOptions
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let session = try options.session()
        let context = try await change.context(session)
        let draft = try await TrustEditor(context: context)
            .origins(addresses: address, blobOrigins: blobOrigin.isEmpty ? nil : blobOrigin)
        try await change.finish(draft, context, session, options)
    }
}

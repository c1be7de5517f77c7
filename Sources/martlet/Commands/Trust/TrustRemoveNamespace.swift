import ArgumentParser
import MartletAPI
import MartletTypes
import Publishing
import RegistryClient

struct TrustRemoveNamespace: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove-namespace",
        abstract: "Take a namespace out of what devices believe: nothing of it is installed any more.",
        discussion: """
            Signed with the owner's targets key. What devices run goes on, and is shown with the way off it; offers \
            are taken back. The namespace can be delegated again later, to whomever; its releases must then be \
            published anew.

            Example: martlet trust remove-namespace factory --key /media/usb/keys/targets.pem
            """)

    @Argument(help: "The namespace.") var namespace: String
    @Flag(name: [.short, .long], help: "Sign without asking.") var yes = false
    @OptionGroup var change: ChangeOptions
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let session = try options.session()
        try await change.finish(session, options, asking: !yes) { try await $0.removing(namespace) }
        let uses = try await session.registry.status().takenBack.filter { $0.path.repository.namespace == namespace }
        for use in uses {
            options.printer.note("\(use.path.reference) is \(use.words). \(ReleasesBlock.stillRunning(use))")
        }
    }
}

import ArgumentParser
import MartletAPI
import MartletTypes
import Publishing
import RegistryClient

struct Yank: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Withdraw a release's signature: no device installs it any more.",
        discussion: """
            Signed with the publisher's key, so that nobody can bring it back without that. To stop offers at once \
            and without the key, use `martlet releases block`.

            Example: martlet yank clinic/triage:3.0.0
            """)

    @Argument(help: "NAMESPACE/NAME:VERSION.", transform: ReleaseReference.init) var release: ReleaseReference
    @OptionGroup var publisher: PublisherOptions
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let session = try options.session()
        let path = try await session.resolve(release)
        let context = try await publisher.context(session, namespace: path.repository.namespace)
        try await Publishing.Yank(context: context).run(path)
        let info = try await session.registry.release(path)
        try options.printer.say(info) { info in
            let running = info.devices == 0 ? "No device runs it." : ReleasesBlock.stillRunning(info)
            return "\(path.reference) is yanked. \(running)"
        }
    }
}

import ArgumentParser
import MartletTypes
import Publishing

struct TrustResume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume",
        abstract: "Sign a namespace again that was cut off when a key of it was revoked.",
        discussion: """
            Nothing of it verifies any more, so every release in it is shown as new: look whether all are yours before \
            you sign, and yank those that are not afterwards.

            Example: martlet trust resume clinic --key ann.pem --key bob.pem
            """)

    @Argument(help: "The namespace.") var namespace: String
    @Flag(name: [.short, .long], help: "Sign without asking.") var yes = false
    @OptionGroup var change: ChangeOptions
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        try await change.finish(try options.session(), options, asking: !yes) { try await $0.signingAgain(namespace) }
    }
}

import ArgumentParser
import MartletTypes
import Publishing

struct TrustThreshold: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "threshold",
        abstract: "Change how many keys must sign root, targets or a namespace.",
        discussion: """
            Devices count distinct keys. A change of root needs as many signatures as before and as many as after.

            Example: martlet trust threshold clinic 2 --key owner/targets.pem --key ann.pem --key bob.pem
            """)

    @Argument(help: "root, targets, or a namespace.") var role: String
    @Argument(help: "How many must sign.", transform: Count.positive) var number: Int
    @OptionGroup var change: ChangeOptions
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let session = try options.session()
        let context = try await change.context(session)
        let draft = try await TrustEditor(context: context).keys(of: role, KeyChange(threshold: number))
        try await change.finish(draft, context, session, options)
    }
}

import ArgumentParser
import MartletTypes
import Publishing
import Trust

struct TrustRevoke: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke",
        abstract: "Take a key the right to sign root, targets or a namespace.",
        discussion: """
            The other keys sign again what it had signed, in the same change. Where they are not at hand and the key \
            was stolen, --suspend cuts the namespace off with the owner's key alone: devices go on with what they run \
            and install nothing of it until its publishers have run `martlet trust resume`.

            Examples:
              martlet trust revoke clinic 3f9a77c1 --key owner/targets.pem --key ann.pem --key bob.pem
              martlet trust revoke clinic 3f9a77c1 --add-key carol.pub --suspend
            """)

    @Argument(help: "root, targets, or a namespace.") var role: String
    @Argument(help: "The identifier of the key; 8 characters are enough.") var keyID: String
    @Option(help: "A key that takes its place: its public or private half.", completion: .file())
    var addKey: [KeyLocation] = []
    @Option(help: "How many must sign from now on.", transform: Count.positive) var threshold: Int?
    @Flag(help: "Cut the namespace off at once; its publishers sign again afterwards.") var suspend = false
    @OptionGroup var change: ChangeOptions
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let session = try options.session()
        let context = try await change.context(session)
        let keys = KeyChange(
            adding: try addKey.map { try PublicKeyFile.read($0, change.newKeys.existing) }, removing: [keyID],
            threshold: threshold)
        let draft = try await TrustEditor(context: context).keys(of: role, keys, suspending: suspend)
        try await change.finish(draft, context, session, options)
    }
}

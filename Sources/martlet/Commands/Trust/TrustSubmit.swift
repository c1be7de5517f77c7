import ArgumentParser
import MartletTypes
import Publishing

struct TrustSubmit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "submit",
        abstract: "Send a change that was signed in a file; what lacks signatures waits in the registry.",
        discussion: "Example: martlet trust submit rotation.json")

    @Argument(help: "The file that --out wrote.", completion: .file()) var file: String
    @OptionGroup var publisher: PublisherOptions
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let draft = try ChangeFile.read(file)
        let session = try options.session()
        let context = try await publisher.context(session, keys: publisher.key)
        try ChangeAnswer(try await ChangeSubmission(context: context).submit(draft), draft).print(options)
    }
}

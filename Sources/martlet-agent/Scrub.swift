import AgentEngine
import ArgumentParser
import MartletTypes

/// `martlet-agent scrub`.
struct Scrub: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Hash all files that the slots need, and fetch anew what is damaged.",
        discussion: """
            The agent looks at one file every ten minutes by itself; this has it look at all of them now, one after \
            the other in the background, as the weekly timer martlet-agent-scrub.timer does. The command returns at \
            once. What was damaged is told to the registry ("blobRotten", "blobMended") and stands in the log.

            Examples:
              martlet-agent scrub
              martlet-agent scrub && martlet-agent logs --follow
            """)

    @OptionGroup var place: DataOption

    @Option(name: .shortAndLong, help: "table or json.")
    var output: Status.Form = .table

    func run() async throws {
        try await ExitStatus.reporting {
            let done = try place.client().scrub()
            switch output {
            case .table:
                let what = done.files == 1 ? "1 file" : "\(done.files) files"
                StandardStream.output.write("\(what) of \(done.bytes) in all: looked at in the background\n")
            case .json:
                StandardStream.output.write(
                    String(decoding: try JSONText.encode(done, pretty: true), as: UTF8.self) + "\n")
            }
        }
    }
}

import AgentEngine
import ArgumentParser
import MartletTypes

/// `martlet-agent unpack-engine`: not for people. The agent calls it in a confinement, because nobody has looked into
/// the archive yet.
struct UnpackEngine: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: EngineTrees.verb,
        abstract: "Unpack an engine; the agent calls this by itself.",
        discussion: """
            Example:
              martlet-agent unpack-engine ARCHIVE FOLDER 104857600
            """,
        shouldDisplay: false)

    @Argument(help: "The archive: tar under zstd.")
    var archive: String
    @Argument(help: "The folder, which is empty.")
    var folder: String
    @Argument(help: "How many bytes it may take unpacked.")
    var limit: Int64

    func run() {
        StandardStream.output.write(EngineTrees.unpackHere(archive, folder, limit: ByteCount(limit)))
    }
}

import AgentEngine
import ArgumentParser
import MartletTypes

/// `martlet-agent unpack-engine`: called in a confinement, because nobody has looked into the archive yet.
struct UnpackEngine: ParsableCommand {
    static let configuration = CommandConfiguration.hidden(
        EngineTrees.verb, "Unpack an engine", example: "ARCHIVE", "FOLDER", "104857600")

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

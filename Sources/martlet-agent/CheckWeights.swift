import AgentEngine
import ArgumentParser

/// `martlet-agent check-weights`: called in a confinement, because nobody has looked into the files yet.
struct CheckWeights: ParsableCommand {
    static let configuration = CommandConfiguration.hidden(
        WeightCheck.verb, "Check weights", example: "FILE...")

    @Argument(help: "The file of a model, or its parts in order.")
    var files: [String]

    func run() { StandardStream.output.write(WeightCheck.checkHere(files)) }
}

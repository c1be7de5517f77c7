import AgentEngine
import ArgumentParser
import MartletTypes

/// `martlet-agent program-facts`: what the program says of itself before it is put in another's place.
struct ProgramFactsCommand: ParsableCommand {
    static let configuration = CommandConfiguration.hidden(ProgramFacts.verb, "Print what this program is")

    func run() throws {
        guard let facts = ProgramFacts.own else { throw ExitCode(ExitStatus.software) }
        StandardStream.output.write(String(decoding: try JSONText.encode(facts), as: UTF8.self))
    }
}

import AgentEngine
import ArgumentParser
import Glibc
import MartletTypes

/// `martlet-agent program-facts`: not for people. What the program says of itself before it is put in another's place.
struct ProgramFactsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: ProgramFacts.verb,
        abstract: "Print what this program is; the agent calls this by itself.",
        discussion: """
            Example:
              martlet-agent program-facts
            """,
        shouldDisplay: false)

    func run() throws {
        guard let facts = ProgramFacts.own else { throw ExitCode(ExitStatus.software) }
        StandardStream.output.write(String(decoding: try JSONText.encode(facts), as: UTF8.self))
    }
}

/// `martlet-agent watch-trial`: not for people. The launcher starts it beside a program on trial.
struct WatchTrial: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: TrialWatch.verb,
        abstract: "Watch a program on trial; the agent calls this by itself.",
        discussion: """
            Example:
              martlet-agent watch-trial /var/lib/martlet-agent DIGEST 600 4711
            """,
        shouldDisplay: false)

    @Flag(help: "Watch as a process of its own, and end at once.")
    var detach = false
    @Argument(help: "The device's data folder.")
    var data: String
    @Argument(help: "The program's digest.")
    var program: String
    @Argument(help: "How long it has to reach the registry.")
    var seconds: Int
    @Argument(help: "The process that it runs in.")
    var process: Int32

    func run() throws {
        if detach {
            let arguments = [data, program, String(seconds), String(process)]
            guard TrialWatch.detach(arguments, Environment.variables) else { throw ExitCode(ExitStatus.software) }
            return
        }
        // It outlives the terminal and the signals that end the agent.
        setsid()
        TrialWatch.watch(data: data, program: try Digest(program), seconds: seconds, process: process)
    }
}

import AgentEngine
import ArgumentParser
import Glibc
import MartletTypes

/// `martlet-agent watch-trial`: the launcher starts it beside a program on trial.
struct WatchTrial: ParsableCommand {
    static let configuration = CommandConfiguration.hidden(
        TrialWatch.verb, "Watch a program on trial", example: "/var/lib/martlet-agent", "DIGEST", "600", "4711")

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

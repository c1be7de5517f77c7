import ArgumentParser
import MartletTypes

/// `martlet-fleetsim`.
@main
struct FleetSimulator: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "martlet-fleetsim",
        abstract: "Simulate thousands of devices that speak the real device API.",
        discussion: """
            For trying rollouts, gates and the size of a registry before there is a fleet. The devices are real to the \
            registry: they stay in its list until `martlet devices remove` takes them out.

            Example: martlet-fleetsim run --join-file join.txt --devices 1000
            """,
        version: MartletVersion.text,
        subcommands: [Run.self])
}

import ArgumentParser

extension CommandConfiguration {
    /// Of a command that is not for people: the agent, or another caller, calls it by itself.
    static func hidden(
        _ name: String, _ abstract: String, caller: String = "the agent", example arguments: String...
    ) -> CommandConfiguration {
        let line = (["martlet-agent", name] + arguments).joined(separator: " ")
        return CommandConfiguration(
            commandName: name, abstract: "\(abstract); \(caller) calls this by itself.",
            discussion: "Example:\n  \(line)", shouldDisplay: false)
    }
}

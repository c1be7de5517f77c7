import ArgumentParser
import RolloutPolicyFile

struct RolloutPolicyExample: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "example", abstract: "Print a policy file with every field and what it means.",
        discussion: "Example: martlet rollout policy example > wards.yaml")
    @OptionGroup var options: GlobalOptions

    func run() throws {
        let text = RolloutPolicyFile.example
        try options.printer.say(["yaml": text]) { _ in String(text.dropLast()) }
    }
}

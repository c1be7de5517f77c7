import ArgumentParser
import MartletTypes

@main
struct Martlet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "martlet",
        abstract: "Get models onto fleets of devices, and back off them.",
        discussion: """
            A first walk:
              martlet login http://127.0.0.1:8080 --token-file admin.token
              martlet trust init --namespace clinic
              martlet publish model.gguf --as clinic/base:1.0.0
              martlet fleets set all --selector ''
              martlet rollout start clinic/base:1.0.0 --fleet all --slot triage --wait
              martlet rollback --fleet all --slot triage --wait

            Every command that prints takes --output json; errors are JSON on standard error then. \
            Completions: `martlet --generate-completion-script bash`, or zsh, or fish.

            \(ExitStatus.help)
            """,
        version: MartletVersion.text,
        subcommands: [
            Login.self, Status.self, TrustCommand.self, Publish.self, Sign.self, Attach.self, Releases.self,
            AliasCommand.self, Yank.self,
            Floor.self,
            Export.self, Import.self,
            Devices.self, Fleets.self, RolloutCommand.self, Rollback.self, TelemetryCommand.self, Events.self,
            Webhooks.self, Audit.self, Token.self,
        ]
    )

    static func main() async {
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch {
            ExitStatus.end(with: error, of: Self.self)
        }
    }
}

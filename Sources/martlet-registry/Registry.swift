import ArgumentParser
import RegistryServer

/// `martlet-registry`.
@main
struct Registry: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "martlet-registry",
        abstract: "The registry: holds releases, tells devices what to run, shows how they are.",
        discussion: "Example: martlet-registry serve --data /var/lib/martlet",
        version: RegistryVersion.text,
        subcommands: [Serve.self, Backup.self, Restore.self])
}

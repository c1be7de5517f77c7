import ArgumentParser

struct TrustCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trust",
        abstract: "Make, renew and see whom devices believe. Offline keys stay on this machine.",
        discussion: """
            Examples:
              martlet trust init --namespace clinic --keys /media/usb/keys
              martlet trust renew
            """,
        subcommands: [TrustInit.self, TrustDelegate.self, TrustRenew.self, TrustPin.self, TrustStatus.self],
        defaultSubcommand: TrustStatus.self)
}

import ArgumentParser

struct TrustCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trust",
        abstract: "Make, change, renew and see whom devices believe. Offline keys stay on this machine.",
        discussion: """
            Examples:
              martlet trust init --namespace clinic --keys /media/usb/keys
              martlet trust rotate director
              martlet trust sign p-4f20 --key bob.pem
              martlet trust renew
            """,
        subcommands: [
            TrustInit.self, TrustStatus.self, TrustDelegate.self, TrustRotate.self, TrustThreshold.self,
            TrustRevoke.self, TrustResume.self, TrustRemoveNamespace.self, TrustAddresses.self, TrustSign.self,
            TrustPending.self, TrustSubmit.self, TrustWithdraw.self, TrustRenew.self, TrustKey.self, TrustPin.self,
        ],
        defaultSubcommand: TrustStatus.self)
}

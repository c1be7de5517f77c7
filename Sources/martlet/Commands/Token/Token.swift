import ArgumentParser

struct Token: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make and revoke tokens for operators, and join tokens for devices.",
        discussion: """
            Examples:
              martlet token create ci --role publisher --namespace clinic --valid 90d
              martlet token join --uses 3 --valid 1h
            """,
        subcommands: [TokenList.self, TokenCreate.self, TokenRevoke.self, TokenJoin.self, TokenJoins.self],
        defaultSubcommand: TokenList.self)
}

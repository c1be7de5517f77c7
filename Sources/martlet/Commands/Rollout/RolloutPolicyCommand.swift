import ArgumentParser

struct RolloutPolicyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy",
        abstract: "Write and check the files that say how rollouts move.",
        discussion: """
            The fields are described in docs/formats/rollout-policy.md.

            Examples:
              martlet rollout policy example > wards.yaml
              martlet rollout policy check wards.yaml
              martlet rollout policy show r-4f1c2a90
            """,
        subcommands: [RolloutPolicyExample.self, RolloutPolicyCheck.self, RolloutPolicyShow.self])
}

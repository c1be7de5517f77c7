import ArgumentParser

struct RolloutCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollout",
        abstract: "Move a fleet's slot to a release, in waves.",
        discussion: """
            Examples:
              martlet rollout start clinic/triage:2.0.0 --fleet all --slot triage \\
                --wave 1 --wave 100% --wait
              martlet rollout start clinic/triage:2.0.0 --policy wards.yaml
              martlet rollout watch r-4f1c2a90
            """,
        subcommands: [
            RolloutStart.self, RolloutPlanCommand.self, RolloutList.self, RolloutShow.self, RolloutWatch.self,
            RolloutExplain.self, RolloutPause.self, RolloutResume.self, RolloutConfirm.self, RolloutRetry.self,
            RolloutAbort.self, RolloutBack.self, RolloutPolicyCommand.self,
        ],
        defaultSubcommand: RolloutList.self)
}

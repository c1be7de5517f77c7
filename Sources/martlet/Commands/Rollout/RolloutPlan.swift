import ArgumentParser
import MartletAPI
import MartletTypes
import RolloutView

struct RolloutPlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan", abstract: "Show waves, devices and gates before anything happens.",
        discussion: """
            Examples:
              martlet rollout plan clinic/triage:2.0.0 --fleet all --slot triage --wave 10%
              martlet rollout plan clinic/triage:2.0.0 --policy wards.yaml
            """)
    @OptionGroup var arguments: RolloutArguments
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let session = try options.session()
        let request = try await arguments.request(session)
        let plan = try await session.send(OperatorRoutes.planRollout, body: request, as: RolloutPlan.self)
        try options.printer.say(plan) { PlanText($0, request.policy).lines.joined(separator: "\n") }
    }
}

import ArgumentParser
import MartletAPI
import MartletTypes

struct RolloutPlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan", abstract: "Show the waves and their devices; nothing happens.",
        discussion: """
            Example:
              martlet rollout plan clinic/triage:2.0.0 --fleet all --slot triage --wave 10%
            """)
    @OptionGroup var arguments: RolloutArguments
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let session = try options.session()
        let plan = try await session.send(
            OperatorRoutes.planRollout, body: try await arguments.request(session), as: RolloutPlan.self)
        try options.printer.show(plan) { plan in
            var table = Table(heads: ["wave", "devices", "names"])
            table.rows = plan.waves.enumerated().map { index, devices in
                let names = devices.prefix(10).map(\.text).joined(separator: ", ")
                return [String(index + 1), String(devices.count), names + (devices.count > 10 ? ", …" : "")]
            }
            table.whenEmpty = "no device is selected"
            return table
        }
    }
}

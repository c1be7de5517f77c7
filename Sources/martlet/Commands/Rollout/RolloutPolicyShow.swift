import ArgumentParser
import MartletAPI
import MartletTypes
import RolloutPolicyFile

struct RolloutPolicyShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Print the policy of a rollout as a file for the next one.",
        discussion: "Example: martlet rollout policy show r-4f1c2a90 > wards.yaml")
    @Argument(help: "The rollout, from `martlet rollout list`.", transform: RolloutID.init) var rollout: RolloutID
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let info = try await options.session().get(
            OperatorRoutes.rollout, ["rollout": rollout.text], as: RolloutInfo.self)
        let selector = info.fleet == nil ? info.selector : nil
        let file = RolloutPolicyFile(
            target: .init(fleet: info.fleet, selector: selector, slot: info.slot), policy: info.policy)
        try options.printer.say(info.policy) { _ in String(file.yaml.dropLast()) }
    }
}

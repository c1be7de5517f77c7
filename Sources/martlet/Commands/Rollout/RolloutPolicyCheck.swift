import ArgumentParser
import MartletTypes
import RolloutPolicyFile

struct RolloutPolicyCheck: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Read a policy file; tell all that is wrong with it, with line and column.",
        discussion: """
            No registry is asked. With --output json the policy is printed as the registry gets it.

            Example: martlet rollout policy check wards.yaml
            """)
    @Argument(help: "The file; - is standard input.", completion: .file()) var file: String
    @OptionGroup var options: GlobalOptions

    func run() throws {
        let read = try PolicyText.read(file)
        try options.printer.say(Report(read)) { _ in
            let policy = read.policy
            // The one that takes the rest is added by itself.
            let waves = policy.waves.last?.size == .percent(100) ? policy.waves.count : policy.waves.count + 1
            let parts = [
                Printable.count(waves, "wave"), Printable.count(policy.gates.count, "gate"),
                Printable.count(policy.thresholds.count, "threshold"),
            ]
            return "\(file) is in order: \(parts.joined(separator: ", ")); on failure \(policy.onFailure.rawValue)."
        }
    }

    private struct Report: Encodable {
        let fleet: FleetName?
        let selector: LabelSelector?
        let slot: SlotName?
        let policy: RolloutPolicy

        init(_ file: RolloutPolicyFile) {
            fleet = file.target.fleet
            selector = file.target.selector
            slot = file.target.slot
            policy = file.policy
        }
    }
}

import ArgumentParser
import MartletAPI
import MartletTypes
import RolloutView

struct DevicesHistory: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history", abstract: "Show what a device's slots were to run when, who said so and why.",
        discussion: """
            Newest first, with what became of it. `martlet devices reports` shows each step that the device told.

            Examples:
              martlet devices history pi-1
              martlet devices history pi-1 --slot triage --limit 3 --output json
            """)
    @Argument(help: "The device's name.", transform: DeviceID.init) var device: DeviceID
    @Option(help: "Only this slot.", transform: SlotName.init) var slot: SlotName?
    @Option(help: "Rows to show (default: 50).", transform: Count.positive) var limit = 50
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let all = try await options.session().list(
            OperatorRoutes.deviceMoves, ["device": device.text], of: DeviceMove.self,
            limit: slot == nil ? limit : .max)
        let moves = Array(all.filter { slot == nil || $0.slot == slot }.prefix(limit))
        try options.printer.show(moves) { moves in
            var table = Table(heads: ["time", "slot", "release", "by", "rollout", "came out", "why"])
            table.rows = moves.map { move in
                [
                    RolloutWords.moment(move.time), move.slot.text, references(move.releases), move.actor,
                    move.rollout?.text ?? "-", Self.outcome(move),
                    RolloutWords.reason(of: move) ?? "its turn in the rollout",
                ]
            }
            table.whenEmpty = "it was never told to run anything"
            return table
        }
    }

    private static func outcome(_ move: DeviceMove) -> String {
        [move.state?.rawValue, move.code, move.message].compactMap(\.self).joined(separator: ": ")
    }
}

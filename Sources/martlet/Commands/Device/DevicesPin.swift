import ArgumentParser
import MartletAPI
import MartletTypes

struct DevicesPin: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pin", abstract: "Keep a slot of a device as it is: rollouts and rollbacks pass it over.",
        discussion: """
            `martlet rollback --device NAME --slot SLOT --force` moves it nevertheless.

            Examples:
              martlet devices pin pi-1 triage --reason "the study runs until Friday" --valid 5d
              martlet devices unpin pi-1 triage
            """)
    @Argument(help: "The device's name.", transform: DeviceID.init) var device: DeviceID
    @Argument(help: "The slot.", transform: SlotName.init) var slot: SlotName
    @OptionGroup var exemption: ExemptionArguments
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let parameters = ["device": device.text, "slot": slot.text]
        let info = try await options.session().send(
            OperatorRoutes.pinSlot, parameters, body: exemption.request, as: DeviceInfo.self)
        try options.printer.say(info) {
            "Slot \(slot) of \(device) stays as it is\(ExemptionArguments.until($0.pins?[slot])): \(exemption.reason)"
        }
    }
}

/// Why a device or a slot is left out of rollouts, and until when.
struct ExemptionArguments: ParsableArguments {
    @Option(help: "Why; whoever wonders reads it.") var reason: String
    @Option(help: "How long, e.g. 12h or 30d (default: until it is lifted).", transform: TimeSpan.init)
    var valid: TimeSpan?

    func validate() throws {
        guard reason.contains(where: { !$0.isWhitespace }) else {
            throw ValidationError("--reason is empty; say why in a few words.")
        }
        if let valid, valid.seconds == 0 { throw ValidationError("--valid is 0; it would end at once.") }
    }

    var request: ExemptionRequest { ExemptionRequest(reason: reason, validSeconds: valid?.seconds) }

    static func until(_ exemption: Exemption?) -> String { exemption?.expires.map { " until \($0)" } ?? "" }
}

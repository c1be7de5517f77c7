import ArgumentParser
import MartletAPI
import MartletTypes

struct DevicesUnpin: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unpin", abstract: "Let rollouts move a pinned slot again.",
        discussion: "Example: martlet devices unpin pi-1 triage")
    @Argument(help: "The device's name.", transform: DeviceID.init) var device: DeviceID
    @Argument(help: "The slot.", transform: SlotName.init) var slot: SlotName
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let parameters = ["device": device.text, "slot": slot.text]
        try await options.session().send(OperatorRoutes.unpinSlot, parameters)
        try options.printer.say(parameters) { _ in "Rollouts move slot \(slot) of \(device) again." }
    }
}

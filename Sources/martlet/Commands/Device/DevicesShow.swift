import ArgumentParser
import MartletAPI
import MartletTypes
import RolloutView

struct DevicesShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show one device whole.",
        discussion: "Example: martlet devices show pi-1")
    @Argument(help: "The device's name.", transform: DeviceID.init) var device: DeviceID
    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let info = try await options.session().get(
            OperatorRoutes.device, ["device": device.text], as: DeviceInfo.self)
        let now = systemClock()
        try options.printer.show(info) { info in
            var pairs = [
                ("device", info.device.text), ("labels", DevicesList.text(info.labels)),
                ("state", info.standing.rawValue), ("online", info.online ? "yes" : "no"),
                ("enrolled", RolloutWords.moment(info.enrolled)),
                (
                    "last seen",
                    info.lastSeen.map { "\(RolloutWords.moment($0)), \(Elapsed.text(now - $0)) ago" } ?? "never"
                ),
                ("certificate until", RolloutWords.moment(info.certificateExpires)), ("profile", info.profile ?? "-"),
                ("agent", info.agentVersion ?? "-"), ("assignment", String(info.assignment)),
            ]
            if let held = info.held { pairs.insert(("why", held), at: 3) }
            if let hold = info.hold { pairs.append(("held out of rollouts", Self.words(hold))) }
            pairs += info.inventory.map { HardwareLines.pairs($0.facts) } ?? []
            for problem in info.inventory?.problems ?? [] { pairs.append(("problem", problem.text)) }
            for (name, slot) in info.slots.sorted(by: { $0.key < $1.key }) {
                pairs.append(("\(name): serves", slot.serving ? references(slot.current) : "nothing"))
                pairs.append(("\(name): desired", references(slot.desired)))
                pairs.append(("\(name): previous", references(slot.previous)))
                if let pin = info.pins?[name] { pairs.append(("\(name): pinned", Self.words(pin))) }
                if let state = slot.state { pairs.append(("\(name): state", state.rawValue)) }
                if let code = slot.code { pairs.append(("\(name): reason", "\(code): \(slot.message ?? "")")) }
                if let override = slot.override { pairs.append(("\(name): override", override)) }
                if let result = slot.evaluation {
                    pairs.append(("\(name): evaluation", result.summary))
                }
            }
            return .facts(pairs)
        }
    }

    private static func words(_ exemption: Exemption) -> String {
        "by \(exemption.by)\(ExemptionArguments.until(exemption)): \(exemption.reason)"
    }
}

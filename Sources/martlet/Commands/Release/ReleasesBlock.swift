import ArgumentParser
import MartletAPI
import MartletTypes

struct ReleasesBlock: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "block", abstract: "Offer a release to no device any more, at once; `yank` withdraws it for good.",
        discussion: "Example: martlet releases block clinic/triage:3.0.0 --reason 'wrong answers in ward 4'")
    @Argument(help: "NAMESPACE/NAME:VERSION.", transform: ReleaseReference.init) var release: ReleaseReference
    @Option(help: "Why; stands in the audit log.") var reason: String
    @OptionGroup var options: GlobalOptions

    func run() async throws { try await Self.set(true, release, reason, options) }

    static func set(
        _ blocked: Bool, _ release: ReleaseReference, _ reason: String, _ options: GlobalOptions
    ) async throws {
        let session = try options.session()
        let path = try await session.resolve(release)
        let request = BlockRequest(path: path, blocked: blocked, reason: reason)
        let info = try await session.send(OperatorRoutes.block, body: request, as: ReleaseInfo.self)
        try options.printer.say(info) { info in
            let running = blocked && info.devices > 0 ? " " + stillRunning(info) : ""
            return "\(path.reference) is \(info.state.rawValue).\(running)"
        }
    }

    /// What to do about devices that run a release which they should not.
    static func stillRunning(_ info: ReleaseInfo) -> String {
        if let use = info.takenBack { return stillRunning(use) }
        let verb = info.devices == 1 ? "runs" : "run"
        return "\(Printable.count(info.devices, "device")) still \(verb) it: "
            + "`martlet rollback --release \(info.path.reference)` takes them back."
    }

    /// Who runs what was taken back, and the command that takes them off it.
    static func stillRunning(_ use: TakenBackRelease) -> String {
        let fleets = use.fleets.sorted { $0.key < $1.key }.map { "\($0.value) in fleet \($0.key)" }
        let which = fleets.isEmpty ? "" : " (\(fleets.joined(separator: ", ")))"
        let verb = use.devices == 1 ? "runs" : "run"
        let way =
            use.suggestion.map { "`\($0)` takes them off it." }
            ?? "No other release of \(use.path.repository) can be installed: publish one."
        return "\(Printable.count(use.devices, "device"))\(which) still \(verb) it: \(way)"
    }
}

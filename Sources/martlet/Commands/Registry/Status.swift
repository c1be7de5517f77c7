import ArgumentParser
import MartletAPI
import MartletTypes
import Publishing

struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show whether the registry is ready, what it holds, and what has to be signed again soon.",
        discussion: "Example: martlet status --output json")

    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let status = try await options.session().get(OperatorRoutes.status, as: RegistryStatus.self)
        let answer = StatusAnswer(status, now: systemClock())
        try options.printer.show(answer) { _ in
            var pairs = [
                ("registry", status.version), ("readiness", status.readiness),
                ("devices", "\(status.devices) (\(status.devicesOnline) online)"),
                ("releases", String(status.releases)), ("open rollouts", String(status.openRollouts)),
            ]
            for group in MetadataRoles(status).groups {
                let what = group.isNamespace ? "namespace \(group.name)" : group.name
                pairs.append((what, "version \(group.version), ends \(group.ends)"))
            }
            return .facts(pairs)
        }
        for use in status.takenBack {
            options.printer.note("warning: \(use.path.reference) is \(use.words). \(ReleasesBlock.stillRunning(use))")
        }
        for warning in answer.warnings { options.printer.note(warning.text) }
    }
}

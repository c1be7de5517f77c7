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
        for role in status.behind {
            let who = role.namespace.map { "a publisher of it runs `martlet trust renew --restored --namespace \($0)`" }
            options.printer.note(
                "warning: \(Printable.count(role.devices, "device")) have seen \(role.role) \(role.seen), and "
                    + "\(role.version) is here, as after an older backup: they install nothing by it.\n  "
                    + "Where that is so, \(who ?? "its owner runs `martlet trust renew --restored` with its key").")
        }
        for warning in answer.warnings { options.printer.note(warning.text) }
    }
}

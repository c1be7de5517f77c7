import ArgumentParser
import MartletAPI
import MartletTypes

struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show whether the registry is ready, and what it holds.",
        discussion: "Example: martlet status --output json")

    @OptionGroup var options: GlobalOptions

    func run() async throws {
        let status = try await options.session().get(OperatorRoutes.status, as: RegistryStatus.self)
        try options.printer.show(status) { status in
            var pairs = [
                ("registry", status.version), ("readiness", status.readiness),
                ("devices", "\(status.devices) (\(status.devicesOnline) online)"),
                ("releases", String(status.releases)), ("open rollouts", String(status.openRollouts)),
            ]
            for (role, version) in status.metadataVersions.sorted(by: { $0.key < $1.key }) {
                let expiry = status.metadataExpiries[role].map { ", expires \($0)" } ?? ""
                pairs.append((role, "version \(version)\(expiry)"))
            }
            return .facts(pairs)
        }
    }
}

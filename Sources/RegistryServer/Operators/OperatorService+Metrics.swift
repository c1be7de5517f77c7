import MartletAPI
import MartletTypes
import RegistryStore

extension OperatorService {
    /// All series in Prometheus' text form. No series names a device, so their number is bounded.
    func exposition() async throws -> String {
        let status = try await status()
        var text = core.metrics.exposition()
        let gauges: [(String, String, Int)] = [
            ("devices", "Devices enrolled.", status.devices),
            ("devices_online", "Devices that poll or were heard of within a minute.", status.devicesOnline),
            ("polls_parked", "Devices that wait in a poll.", core.presence.parkedCount),
            ("releases", "Releases published, blocked or yanked.", status.releases),
            ("rollouts_open", "Rollouts that are not over.", status.openRollouts),
            ("proposals_pending", "Changes that wait for signatures.", try await proposalCount()),
            ("ready", "Whether devices can be served.", status.readiness == "ready" ? 1 : 0),
        ]
        for (name, help, value) in gauges {
            text += "# HELP martlet_registry_\(name) \(help)\n# TYPE martlet_registry_\(name) gauge\n"
            text += "martlet_registry_\(name) \(value)\n"
        }
        text += "# HELP martlet_registry_metadata_expiry_seconds When a role's metadata ends, since 1970.\n"
        text += "# TYPE martlet_registry_metadata_expiry_seconds gauge\n"
        // Names of roles are public, and chosen by owners: a namespace with its bins is seventeen of them.
        for (role, end) in status.metadataExpiries.sorted(by: { $0.key < $1.key }).prefix(ServerLimits.expirySeries) {
            text += "martlet_registry_metadata_expiry_seconds{role=\"\(role)\"} \(end.seconds)\n"
        }
        return text
    }

    private func proposalCount() async throws -> Int {
        try await core.database.read { try ProposalStore($0).count() }
    }
}

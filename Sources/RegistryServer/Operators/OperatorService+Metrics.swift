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
            ("ready", "Whether devices can be served.", status.readiness == "ready" ? 1 : 0),
        ]
        for (name, help, value) in gauges {
            text += "# HELP martlet_registry_\(name) \(help)\n# TYPE martlet_registry_\(name) gauge\n"
            text += "martlet_registry_\(name) \(value)\n"
        }
        text += "# HELP martlet_registry_metadata_expiry_seconds When a standard role's metadata ends, since 1970.\n"
        text += "# TYPE martlet_registry_metadata_expiry_seconds gauge\n"
        for role in ["root", "targets", "snapshot", "timestamp"] {
            guard let end = status.metadataExpiries[role] else { continue }
            text += "martlet_registry_metadata_expiry_seconds{role=\"\(role)\"} \(end.seconds)\n"
        }
        return text
    }
}

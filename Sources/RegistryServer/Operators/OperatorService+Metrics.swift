import MartletAPI
import MartletTypes
import RegistryStore
import RolloutEngine

extension OperatorService {
    /// All series in Prometheus' text form. No series names a device, so their number is bounded.
    func exposition() async throws -> String {
        let status = try await status()
        let standing = try await standing()
        var text = core.metrics.exposition()
        func gauge(_ name: String, _ help: String, _ value: Int64) {
            text += "# HELP martlet_registry_\(name) \(help)\n# TYPE martlet_registry_\(name) gauge\n"
            text += "martlet_registry_\(name) \(value)\n"
        }
        gauge("devices", "Devices enrolled.", Int64(status.devices))
        gauge("devices_online", "Devices that poll or were heard of within a minute.", Int64(status.devicesOnline))
        gauge("devices_silent", "Active devices that were not heard of for an hour.", Int64(standing.silent))
        gauge("polls_parked", "Devices that wait in a poll.", Int64(core.presence.parkedCount))
        gauge("releases", "Releases published, blocked or yanked.", Int64(status.releases))
        gauge("rollouts_open", "Rollouts that are not over.", Int64(status.openRollouts))
        gauge("rollouts_paused", "Rollouts that are paused.", Int64(standing.paused))
        gauge("rollouts_waiting", "Rollouts whose next wave waits for a person.", Int64(standing.waiting))
        gauge("proposals_pending", "Changes that wait for signatures.", Int64(standing.proposals))
        gauge("ready", "Whether devices can be served.", status.readiness == "ready" ? 1 : 0)
        if let room = try core.dataFolder?.room() {
            gauge("data_free_bytes", "Free bytes of the data folder's file system.", room.bytes)
        }
        if let last = try core.dataFolder?.lastBackup() {
            gauge("last_backup_timestamp_seconds", "When the last backup was made, since 1970.", last.seconds)
        }
        let series = ExpirySeries(status.metadataExpiries)
        gauge("metadata_expiry_omitted", "Namespaces without a series, for there are too many.", Int64(series.omitted))
        text += "# HELP martlet_registry_metadata_expiry_seconds When a standard role, or the first part of a namespace"
        text += " ends, since 1970.\n# TYPE martlet_registry_metadata_expiry_seconds gauge\n"
        for (role, end) in series.ends {
            text += "martlet_registry_metadata_expiry_seconds{role=\"\(role)\"} \(end.seconds)\n"
        }
        return text
    }

    /// What waits for people.
    private struct Standing: Sendable {
        var silent = 0
        var paused = 0
        var waiting = 0
        var proposals = 0
    }

    private func standing() async throws -> Standing {
        let core = core
        return try await core.database.read { sql in
            let headers = try RolloutStore(sql).openHeaders()
            return Standing(
                silent: try DeviceStore(sql).silentCount(since: core.clock() - ServerLimits.silence),
                paused: headers.count { $0.state == .paused },
                waiting: headers.count { $0.state == .running && $0.phase == .confirming },
                proposals: try ProposalStore(sql).count())
        }
    }
}

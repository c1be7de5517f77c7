import MartletAPI
import MartletTypes
import RegistryStore

extension Dashboard {
    private struct Attention {
        let device: String
        let slot: String
        let state: String
        let tone: String
        let why: String
    }

    private struct TakenBackView {
        let path: String
        let reference: String
        let words: String
        let devices: String
        let suggestion: String?

        init(_ release: TakenBackRelease) {
            path = release.path.text
            reference = release.path.reference
            words = release.words
            devices = release.devices == 1 ? "1 device still runs it" : "\(release.devices) devices still run it"
            suggestion = release.suggestion
        }
    }

    private struct FleetView {
        struct Running {
            let slot: String
            let path: String
            let reference: String
            let count: Int
        }

        let name: String
        let selector: String
        let devices: Int
        let online: Int
        let running: [Running]
    }

    /// Fleets, devices, releases and open rollouts at a glance.
    func overview(_ exchange: Exchange) async throws -> [String: Any] {
        let (service, now) = (service, service.core.clock())
        let reach = try exchange.reach
        let status = try await service.status()
        let devices = try await allDevices(reach)
        let fleets = try await service.fleets(reach)
        let rollouts = try await service.rollouts.rollouts(before: nil, limit: Limits.pageRows, within: reach).items
            .filter { !$0.state.isFinal }
        let attention = Self.attention(devices)
        let seen = Set(devices.map(\.device))
        let hour = try await service.core.database.read {
            try TelemetryStore($0).minutes(from: now - .seconds(3600), to: now, limit: ServerLimits.telemetryPoints)
        }.filter { reach.fleets == nil || seen.contains($0.device) }
        let newest = try await newestReleases(reach)
        let content: [String: Any?] = [
            "notReady": status.readiness == "ready" ? nil : status.readiness,
            "devices": status.devices, "devicesOnline": status.devicesOnline, "releases": status.releases,
            "openRollouts": status.openRollouts,
            "requestsLastHour": hour.map(TelemetryPoint.init).reduce(0) { $0 + $1.requests },
            "attention": attention, "attentionCount": attention.count, "troubled": !attention.isEmpty,
            "takenBack": status.takenBack.map(TakenBackView.init),
            "hasRollouts": !rollouts.isEmpty, "rollouts": rollouts.map(RolloutRowView.init),
            "hasFleets": !fleets.isEmpty, "fleets": fleets.map { Self.view($0, devices) },
            "hasDevices": !devices.isEmpty,
            "deviceRows": devices.prefix(Self.overviewRows).map { DeviceRowView($0, now: now) },
            "hasReleases": !newest.isEmpty, "releaseRows": newest.map(ReleaseRowView.init),
        ]
        return content.compactMapValues(\.self)
    }

    private static let overviewRows = 25

    private func allDevices(_ reach: Reach) async throws -> [DeviceInfo] {
        let core = service.core
        return try await core.database.read { sql in
            let within = try DeviceReach(reach, sql)
            return try DeviceStore(sql).list().filter { $0.state != .revoked && within.contains($0.labels) }
                .map { try OperatorService.info($0, sql, core, reach) }
        }
    }

    private func newestReleases(_ reach: Reach) async throws -> [ReleaseInfo] {
        let rows = try await service.core.database.read { try ReleaseStore($0).list() }
            .filter { reach.contains($0.path) }
        return rows.sorted { $0.published > $1.published }.prefix(10).map(ReleaseInfo.init)
    }

    /// Slots that failed, do not serve though they should, or go by a decision of their own.
    private static func attention(_ devices: [DeviceInfo]) -> [Attention] {
        devices.flatMap { device in
            if let held = device.held {
                let isWaiting = device.standing == .pending
                return [
                    Attention(
                        device: device.device.text, slot: "–", state: DeviceRowView.status(device),
                        tone: isWaiting ? "warn" : "bad",
                        why: isWaiting ? "\(held); run martlet devices approve \(device.device)" : held)
                ]
            }
            return device.slots.sorted { $0.key < $1.key }.compactMap { name, slot -> Attention? in
                let isSilent = !slot.serving && !slot.desired.isEmpty && slot.state?.isInFlight != true
                guard slot.state == .failed || slot.state == .unreachable || slot.override != nil || isSilent else {
                    return nil
                }
                let state = slot.state == .failed || !isSilent ? slot.state.map { PageWords.words($0.rawValue) } : nil
                return Attention(
                    device: device.device.text, slot: name.text, state: state ?? "not serving",
                    tone: slot.serving ? "warn" : "bad",
                    why: slot.override ?? PageWords.why(slot.code, slot.message) ?? "no word from the device yet")
            }
        }
    }

    private static func view(_ fleet: Fleet, _ devices: [DeviceInfo]) -> FleetView {
        var counts: [String: (slot: String, path: ReleasePath, count: Int)] = [:]
        for device in devices where fleet.selector.matches(device.labels) {
            for (name, slot) in device.slots {
                for path in slot.current {
                    counts["\(name)/\(path)", default: (name.text, path, 0)].count += 1
                }
            }
        }
        return FleetView(
            name: fleet.name.text, selector: fleet.selector.text.isEmpty ? "(all)" : fleet.selector.text,
            devices: fleet.devices ?? 0, online: fleet.online ?? 0,
            running: counts.sorted { $0.key < $1.key }.map {
                FleetView.Running(
                    slot: $0.value.slot, path: $0.value.path.text, reference: $0.value.path.reference,
                    count: $0.value.count)
            })
    }
}

import MartletAPI
import MartletTypes
import RegistryStore
import Telemetry

extension OperatorService {
    /// One page of minutes, in the order of time. `minutes` says how far back, or `since` and `until` say which.
    func telemetry(_ exchange: Exchange) async throws -> Page<TelemetryPoint> {
        let now = core.clock()
        let minutes = try exchange.number("minutes", in: 1...Int64(ServerLimits.telemetryMinutes)) ?? 60
        let since = try Self.time("since", exchange) ?? now - .seconds(minutes * 60)
        let until = try Self.time("until", exchange) ?? now + .seconds(60)
        let device = try exchange.query("device", as: DeviceID.self)
        let slot = try exchange.query("slot", as: SlotName.self)
        let release = try exchange.query("release", as: ReleasePath.self)
        let limit = try Self.pageLimit(exchange)
        let start = Int(try exchange.number("cursor", in: 0...Int64(ServerLimits.telemetryPoints)) ?? 0)
        let end = min(start + limit, ServerLimits.telemetryPoints)
        let reach = try exchange.reach
        if let release { try reach.require(release) }
        let (rows, within) = try await core.database.read { sql in
            let within = try DeviceReach(reach, sql)
            if let device { _ = try within.device(device, sql) }
            let rows = try TelemetryStore(sql).minutes(
                device: device, slot: slot, from: since, to: until, limit: end + 1)
            return (rows, try within.names(sql))
        }
        let items = rows.prefix(end).dropFirst(start).map(TelemetryPoint.init).filter { point in
            (release == nil || point.release == release) && (within?.contains(point.device) ?? true)
                && (point.release.map { reach.contains($0) } ?? true)
        }
        let isMore = rows.count > end && end < ServerLimits.telemetryPoints
        return Page(items: Array(items), next: isMore ? String(end) : nil)
    }

    private static func time(_ name: String, _ exchange: Exchange) throws -> Timestamp? {
        guard let text = try exchange.query(name) else { return nil }
        do {
            return try Timestamp(text)
        } catch {
            throw ServerError(400, error.code, error.message, remedy: error.remedy, field: name)
        }
    }
}

extension TelemetryPoint {
    init(_ minute: TelemetryMinute) {
        let rollup = minute.rollup
        // Several adapters of one slot are joined by `+`; a point names the first.
        let release = rollup.release?.split(separator: "+").first.flatMap { try? ReleasePath(String($0)) }
        self.init(
            time: rollup.key.minute, device: minute.device, slot: rollup.key.slot, release: release,
            requests: rollup.requests, errors: rollup.errors, refused: rollup.refused,
            p50Milliseconds: rollup.p50Milliseconds, p95Milliseconds: rollup.p95Milliseconds,
            p95FirstTokenMilliseconds: rollup.p95FirstTokenMilliseconds, inputTokens: rollup.inputTokens,
            outputTokens: rollup.outputTokens, cpuPercent: rollup.cpuPercent, memoryUsed: rollup.memoryUsed,
            temperatureCelsius: rollup.temperatureCelsius)
        p50OutputTokenMilliseconds = rollup.p50OutputTokenMilliseconds
        crashes = rollup.crashes > 0 ? rollup.crashes : nil
    }
}

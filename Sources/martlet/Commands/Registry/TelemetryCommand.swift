import ArgumentParser
import MartletAPI
import MartletTypes

struct TelemetryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "telemetry",
        abstract: "Show what devices measured: requests, errors, latency, memory.",
        discussion: "Example: martlet telemetry --device pi-1 --slot triage --minutes 15")

    /// A month: as long as a registry keeps telemetry at most.
    private static let mostMinutes = 43_200

    @Option(help: "Only this device.", transform: DeviceID.init) var device: DeviceID?
    @Option(help: "Only this slot.", transform: SlotName.init) var slot: SlotName?
    @Option(help: "How far back, in minutes (default: 60).", transform: Count.positive) var minutes = 60
    @OptionGroup var options: GlobalOptions

    func validate() throws {
        guard minutes <= Self.mostMinutes else {
            throw ValidationError("--minutes is at most \(Self.mostMinutes), which is 30 days.")
        }
    }

    func run() async throws {
        var query = ["minutes": String(minutes)]
        query["device"] = device?.text
        query["slot"] = slot?.text
        let points = try await options.session().list(
            OperatorRoutes.telemetry, of: TelemetryPoint.self, query: query, limit: 10_000)
        try options.printer.show(points) { points in
            var table = Table(heads: [
                "time", "device", "slot", "release", "requests", "errors", "p50 ms", "p95 ms", "out tokens", "memory",
            ])
            table.rows = points.map { point in
                [
                    point.time.description, point.device.text, point.slot?.text ?? "-",
                    point.release?.reference ?? "-", String(point.requests), String(point.errors),
                    Self.number(point.p50Milliseconds), Self.number(point.p95Milliseconds), String(point.outputTokens),
                    point.memoryUsed?.description ?? "-",
                ]
            }
            table.whenEmpty = "nothing was measured in that time"
            return table
        }
    }

    private static func number(_ value: Double?) -> String { value.map { String(Int($0.rounded())) } ?? "-" }
}

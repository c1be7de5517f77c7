package import MartletTypes

/// A minute of a slot's life, as the registry keeps it.
package struct TelemetryPoint: Sendable, Hashable, Codable {
    package var time: Timestamp
    package var device: DeviceID
    /// Nil for measurements of the whole box.
    package var slot: SlotName?
    package var release: ReleasePath?
    package var requests: Int64
    package var errors: Int64
    package var refused: Int64
    package var p50Milliseconds: Double?
    package var p95Milliseconds: Double?
    package var p95FirstTokenMilliseconds: Double?
    package var p50OutputTokenMilliseconds: Double?
    /// Ends of the engine that nobody asked for.
    package var crashes: Int64?
    package var inputTokens: Int64
    package var outputTokens: Int64
    package var cpuPercent: Double?
    package var memoryUsed: ByteCount?
    package var temperatureCelsius: Double?

    package init(
        time: Timestamp, device: DeviceID, slot: SlotName? = nil, release: ReleasePath? = nil, requests: Int64 = 0,
        errors: Int64 = 0, refused: Int64 = 0, p50Milliseconds: Double? = nil, p95Milliseconds: Double? = nil,
        p95FirstTokenMilliseconds: Double? = nil, inputTokens: Int64 = 0, outputTokens: Int64 = 0,
        cpuPercent: Double? = nil, memoryUsed: ByteCount? = nil, temperatureCelsius: Double? = nil
    ) {
        self.time = time
        self.device = device
        self.slot = slot
        self.release = release
        self.requests = requests
        self.errors = errors
        self.refused = refused
        self.p50Milliseconds = p50Milliseconds
        self.p95Milliseconds = p95Milliseconds
        self.p95FirstTokenMilliseconds = p95FirstTokenMilliseconds
        self.inputTokens = inputTokens
        self.outputTokens = outputTokens
        self.cpuPercent = cpuPercent
        self.memoryUsed = memoryUsed
        self.temperatureCelsius = temperatureCelsius
    }
}

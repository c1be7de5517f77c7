import MartletAPI
import MartletTypes
import RegistryClient
import TUF
import Telemetry
import Trust

/// An hour or a minute of measurements as an agent sends them.
enum TelemetrySample {
    static func export(
        _ device: DeviceID, at time: Timestamp, requests: UInt64 = 7, seconds: Double = 0.2
    ) throws -> [UInt8] {
        var interval = GatewayInterval(
            slot: try SlotName("triage"), generation: 1,
            release: ReleaseLabel(path: "clinic/triage/1.0.0", digest: Digest.of([1]).text), start: time - .seconds(10),
            end: time)
        interval.requests = requests
        for number in 0..<requests { interval.duration.record(seconds * (1 + Double(number % 5) / 10)) }
        var sample = SystemSample(time: time)
        sample.cpu = 0.2 + Double(requests % 7) / 20
        sample.memoryUsed = ByteCount(Int64(900_000_000 + requests * 4_000_000))
        sample.memoryTotal = ByteCount(Int64(4_000_000_000))
        return try OTLP.MetricsRequest(
            device: device, agentVersion: "0.1.0", profile: "generic", intervals: [interval], samples: [sample]
        ).json()
    }
}

enum PublicKeyOf {
    static func director(_ registry: RegistryFixture) async throws -> [String: PublicKey] {
        let key = try PublicKey(json: try await registry.admin.onlineKeys().director)
        return [key.keyID: key]
    }
}

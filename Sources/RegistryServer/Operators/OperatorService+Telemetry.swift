import MartletAPI
import MartletTypes

extension OperatorService {
    func telemetry(_ exchange: Exchange) async throws -> Page<TelemetryPoint> { Page(items: []) }
}

extension DeviceService {
    func keepTelemetry(_ exchange: Exchange) async throws {}
}

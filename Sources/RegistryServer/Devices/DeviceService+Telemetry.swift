import HTTPTypes
import Hummingbird
import MartletAPI
import MartletTypes
import RegistryStore
import Telemetry

extension DeviceService {
    /// Takes an OTLP export, once by journal and sequence. A minute that comes in several exports is merged.
    func keepTelemetry(_ exchange: Exchange) async throws {
        let device = try exchange.device
        let headers = exchange.request.headers
        if let encoding = headers[.contentEncoding], encoding.lowercased() != "identity" {
            throw ServerError(
                415, "unsupportedMediaType", "Exports are taken uncompressed.",
                remedy: "Send it without Content-Encoding.",
                field: "Content-Encoding")
        }
        guard let text = headers[.martletJournal], let journal = try? JournalID(text) else {
            throw ServerError.badRequest(
                "The journal's identity is missing or malformed.", field: MartletFields.journal)
        }
        guard let sequence = headers[.martletSequence].flatMap({ Int64($0) }), sequence > 0 else {
            throw ServerError.badRequest(
                "The sequence number is missing or not above 0.", field: MartletFields.sequence)
        }
        let rows = TelemetryRollup.rows(
            of: try OTLP.MetricsRequest(json: try await exchange.body(limit: Limits.telemetryBodyBytes)))
        let core = core
        let isTaken = try await core.database.write { sql -> Bool in
            guard try DeviceStore(sql).noteJournal(device, journal, now: core.clock()) else { return false }
            _ = try TelemetryStore(sql).add(rows, from: device, journal, sequence: sequence)
            return true
        }
        guard isTaken else { throw Self.held(device.text) }
        core.changes.announce(.device, CollectionOfOne(device.text))
    }
}

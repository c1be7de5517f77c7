import BundleFormat
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
        let coding = headers[.contentEncoding]?.lowercased() ?? "identity"
        guard ["identity", "gzip", CompressedExport.contentCoding].contains(coding) else {
            throw ServerError(
                415, "unsupportedMediaType", "Exports are taken plain, in gzip or in zstd.",
                remedy: "Send it with Content-Encoding: gzip or zstd, or without one.",
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
        var body = try await exchange.body(limit: Limits.telemetryBodyBytes)
        if coding == CompressedExport.contentCoding {
            body = try CompressedExport.expanding(body, limit: Limits.telemetryBodyBytes)
        } else if coding == "gzip" {
            body = try Self.gunzip(body, limit: Limits.telemetryBodyBytes)
        }
        let rows = TelemetryRollup.rows(of: try OTLP.MetricsRequest(json: body))
        let core = core
        let isTaken = try await core.database.write { sql -> Bool in
            guard try DeviceStore(sql).noteJournal(device, journal, now: core.clock()) else { return false }
            _ = try TelemetryStore(sql).add(rows, from: device, journal, sequence: sequence)
            return true
        }
        guard isTaken else { throw foundClone(device.text) }
        core.changes.announce(.device, CollectionOfOne(device.text))
    }

    /// What collectors of OpenTelemetry send by default.
    private static func gunzip(_ body: [UInt8], limit: Int) throws -> [UInt8] {
        do throws(BundleError) {
            return try GzipBody.decompress(body, limit: limit)
        } catch {
            guard error.reason != .tooLarge else { throw ServerError.tooLarge(limit: Int64(limit)) }
            throw ServerError.badRequest("The body is not whole gzip: \(error.detail).", field: "Content-Encoding")
        }
    }
}

internal import HTTPTypes
package import MartletAPI
package import MartletTypes

/// Every call of the devices' API, typed. The client's identity is the device's certificate, but for `enrol`
/// and `renew`.
package struct DeviceClient: Sendable {
    /// Calls by route, for what has no method of its own.
    package let api: APICaller

    package init(http: HTTPClient) { api = APICaller(http: http) }

    /// Asks for the first certificate.
    package func enrol(_ request: EnrolRequest) async throws(ClientError) -> EnrolAnswer {
        try await api.send(DeviceRoutes.enrol, body: request, as: EnrolAnswer.self)
    }

    /// A nonce to be signed for `renew`; good once and for a minute.
    package func renewalNonce() async throws(ClientError) -> RenewalNonce {
        try await api.send(DeviceRoutes.renewalNonce, body: [String: String](), as: RenewalNonce.self)
    }

    /// Asks for the next certificate.
    package func renew(_ request: RenewRequest) async throws(ClientError) -> EnrolAnswer {
        try await api.send(DeviceRoutes.renew, body: request, as: EnrolAnswer.self)
    }

    /// Says what the device is and has.
    package func put(_ inventory: Inventory) async throws(ClientError) {
        try await api.send(DeviceRoutes.inventory, body: inventory)
    }

    /// The signed assignment above `number`, unverified, as its exact bytes; nil where none came within `wait`.
    ///
    /// `snapshot` and `timestamp` are the highest metadata versions that the device accepted, so that a registry
    /// restored from a backup continues above them.
    package func assignment(
        above number: Int64, wait: Duration, snapshot: Int64, timestamp: Int64, journal: JournalID
    ) async throws(ClientError) -> [UInt8]? {
        try await poll(
            above: number, wait: wait, snapshot: snapshot, timestamp: timestamp, trust: nil, journal: journal
        ).assignment
    }

    /// The same, which also ends once the registry's root or top-level targets are others than `trust` says; the answer
    /// says which they are, where the registry does.
    package func poll(
        above number: Int64, wait: Duration, snapshot: Int64, timestamp: Int64, trust: TrustRevision?,
        journal: JournalID
    ) async throws(ClientError) -> (assignment: [UInt8]?, trust: TrustRevision?) {
        let seconds = min(max(wait.components.seconds, 0), Int64(Limits.longPollSeconds))
        var query = [
            "number": String(number), "wait": String(seconds), "snapshot": String(snapshot),
            "timestamp": String(timestamp), "journal": journal.text,
        ]
        query["trust"] = trust?.text
        var call = api.call(DeviceRoutes.assignment, [:], query)
        call.patience = .seconds(seconds) + api.http.configuration.patience
        let reply = try await api.send(call, limit: Limits.assignmentBytes)
        let told = HTTPField.Name(MartletFields.trust).flatMap { reply.fields[$0] }.flatMap(TrustRevision.init)
        return (reply.status == 204 ? nil : reply.body, told)
    }

    /// Sends reports; the receipt says up to where the registry holds them.
    package func report(_ batch: ReportBatch) async throws(ClientError) -> ReportReceipt {
        try await api.send(DeviceRoutes.reports, body: batch, as: ReportReceipt.self)
    }

    /// Sends one OTLP export (JSON, in this content coding); the registry drops a sequence number that it has.
    package func telemetry(
        _ export: [UInt8], coding: String? = nil, journal: JournalID, sequence: Int64
    ) async throws(ClientError) {
        var call = api.call(DeviceRoutes.telemetry)
        call.body = .bytes(export)
        call.fields[.contentType] = "application/json"
        if let coding { call.fields[.contentEncoding] = coding }
        if let journalName = HTTPField.Name(MartletFields.journal),
            let sequenceName = HTTPField.Name(MartletFields.sequence)
        {
            call.fields[journalName] = journal.text
            call.fields[sequenceName] = String(sequence)
        }
        _ = try await api.send(call)
    }
}

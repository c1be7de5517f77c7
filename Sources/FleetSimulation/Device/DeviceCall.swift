package import MartletAPI
package import MartletTypes
package import Telemetry
package import Trust

/// One request of a device to the registry.
package enum DeviceCall: Sendable {
    case inventory(Inventory)
    /// `isAnswerLost` cuts the connection once the request is out.
    case reports(ReportBatch, isAnswerLost: Bool)
    case telemetry(OTLP.MetricsRequest, sequence: Int64)
    /// Waits up to `seconds` for an assignment above `number`.
    case poll(above: Int64, seconds: Int64)
    /// Reads a document or a blob; only a document's bytes are kept.
    case fetch(path: String, accept: String?, isKept: Bool)
}

/// What a device does next.
package enum DeviceAction: Sendable {
    /// Makes a key and asks for its certificate.
    case enrol
    case call(DeviceCall)
    /// Does nothing until then, its connection stays.
    case rest(until: Timestamp)
    /// Is away until then, its connection ends.
    case leave(until: Timestamp)
    /// Is refused for good.
    case end
}

/// What came of what a device did.
package enum DeviceOutcome: Sendable {
    /// It was taken: an enrolment, an inventory, an export, or a poll without news.
    case done
    /// A poll brought an assignment, whose signature and number were checked.
    case assignment(Assignment)
    /// Reports were taken.
    case receipt(ReportReceipt)
    case fetched([UInt8])
    /// What was fetched is not what the assignment names, or an assignment does not hold: a code and a sentence.
    case distrusted(code: String, message: String)
    /// The registry refused.
    case refused(status: Int, code: String, retryAfterSeconds: Int?)
    /// There was no whole answer.
    case lost
}

/// What a device fetches before it installs.
package enum FetchMode: String, Sendable, CaseIterable {
    /// Nothing: the time of a download follows from its size and the link.
    case none
    /// TUF's timestamp, the release's index and one variant's manifest.
    case metadata
    /// These, and every layer of the variant; its bytes are counted and thrown away.
    case blobs
}

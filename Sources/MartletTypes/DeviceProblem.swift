/// Something that is wrong with a device as a whole, as the device itself says, until it is right again.
package struct DeviceProblem: Sendable, Hashable, Codable {
    /// Stable, e.g. `storeReadOnly`, `metadataExpired`.
    package var code: String
    /// One sentence for people.
    package var message: String
    /// What to do about it; may be empty.
    package var remedy: String
    /// When it was met first.
    package var since: Timestamp

    package init(code: String, message: String, remedy: String, since: Timestamp) {
        self.code = code
        self.message = message
        self.remedy = remedy
        self.since = since
    }

    /// For people, e.g. `metadataExpired: The timestamp … (since …)`.
    package var text: String {
        "\(code): \(message)\(remedy.isEmpty ? "" : " \(remedy)") (since \(since))"
    }
}

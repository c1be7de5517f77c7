package import MartletTypes

/// Which releases a generation of a slot consists of, as labels of its measurements.
package struct ReleaseLabel: Sendable, Hashable, Codable {
    /// The release paths, joined by `+` where a slot runs several adapters, e.g. `clinic/triage/1.2.0`.
    package let path: String
    /// The digests of their indexes, joined by `+` in the same order.
    package let digest: String

    /// Labels of one model or of several adapters, in the order of the assignment.
    package init(_ releases: [(path: ReleasePath, digest: Digest)]) {
        path = releases.map(\.path.text).joined(separator: "+")
        digest = releases.map(\.digest.text).joined(separator: "+")
    }

    package init(path: String, digest: String) {
        self.path = path
        self.digest = digest
    }
}

/// What the gateway measured for one generation of one slot between two moments.
package struct GatewayInterval: Sendable, Hashable {
    /// The slot.
    package let slot: SlotName
    /// The generation that answered; 0 where no generation had the chance (requests refused while parked).
    package let generation: Int
    /// Its releases.
    package let release: ReleaseLabel
    /// When counting began.
    package var start: Timestamp
    /// When counting ended.
    package var end: Timestamp
    /// Requests that got an answer from the engine, errors included; refused ones are not in it.
    package var requests: UInt64 = 0
    /// Failed requests by `error.type`: an HTTP status of 500 and above, or a word such as `engine_gone`.
    package var errors: [String: UInt64] = [:]
    /// Requests answered 503 because the slot was parked too long or its queue was full.
    package var refused: UInt64 = 0
    /// Requests sent once more because their engine ended before a byte had reached the client.
    package var replayed: UInt64 = 0
    /// Streams that were cut by a drain deadline.
    package var cutStreams: UInt64 = 0
    /// Requests whose client went away before the end.
    package var abandoned: UInt64 = 0
    /// How often an engine of the generation ended by itself.
    package var crashes: UInt64 = 0
    /// Seconds from the whole request to the end of the answer.
    package var duration = ExponentialHistogram()
    /// Seconds to the first token of streamed answers.
    package var timeToFirstToken = ExponentialHistogram()
    /// Seconds for each output token after the first.
    package var timePerOutputToken = ExponentialHistogram()
    /// Tokens of the prompts, where the engine told.
    package var inputTokens = ExponentialHistogram()
    /// Tokens of the answers, where the engine told.
    package var outputTokens = ExponentialHistogram()

    package init(slot: SlotName, generation: Int, release: ReleaseLabel, start: Timestamp, end: Timestamp) {
        self.slot = slot
        self.generation = generation
        self.release = release
        self.start = start
        self.end = end
    }

    /// All failed requests.
    package var errorCount: UInt64 { errors.values.reduce(0, +) }

    /// Whether nothing happened.
    package var isEmpty: Bool {
        requests == 0 && refused == 0 && errors.isEmpty && abandoned == 0 && replayed == 0 && crashes == 0
    }

    /// Counts a failure under its type; types beyond the bound share `other`.
    package mutating func countError(_ type: String) {
        let known = errors[type] != nil || errors.count < TelemetryLimits.errorTypes
        errors[known ? type : "other", default: 0] += 1
    }
}

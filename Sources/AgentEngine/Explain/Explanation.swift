package import MartletAPI
package import MartletTypes

/// Why this device runs what it runs, and not something else: for people on the box, over the control socket.
package struct Explanation: Sendable, Hashable, Codable {
    /// Why something is not so.
    package struct Reason: Sendable, Hashable, Codable {
        /// Stable, as in reports.
        package var code: String
        /// One sentence.
        package var message: String
        /// What to do about it.
        package var remedy: String
    }

    /// One slot.
    package struct Slot: Sendable, Hashable, Codable {
        package var slot: SlotName
        /// What answers requests now; empty where nothing does.
        package var serves: [ReleasePath]
        /// Why that, in a sentence.
        package var because: String
        /// What the slot shall run, and who wants that.
        package var wanted: [ReleasePath]
        package var wantedBy: String
        /// Why what is wanted does not run; nil where it does, or where nothing is wanted.
        package var blocked: Reason?
        /// When that is tried again.
        package var retryAt: Timestamp?
        /// What the device's owner allows in the slot, whatever is assigned.
        package var policy: [String]
        /// What is wanted, else what serves, variant by variant.
        package var releases: [Release]
    }

    /// One release, seen from this device.
    package struct Release: Sendable, Hashable, Codable {
        package var path: ReleasePath
        /// Where its index came from: `device` or `registry`; nil where it is not at hand.
        package var source: String?
        /// Why it cannot run here, or cannot be looked at; nil where a variant of it fits.
        package var refused: Reason?
        /// The slot by whose settings and neighbours it was judged; nil for a slot of its own.
        package var slot: SlotName?
        /// What the profile prefers, best first.
        package var preferences: [String]
        /// What a variant may take of memory and of disk now.
        package var memoryRoom: ByteCount?
        package var diskRoom: ByteCount?
        package var variants: [VariantStanding]
        /// How many variants the release has besides those that are listed.
        package var omitted: Int
    }

    package var device: DeviceID
    package var profile: String
    /// The slots that were asked for.
    package var slots: [Slot]
    /// The release that was asked for.
    package var releases: [Release]
}

extension Explanation {
    /// The answer on the control socket: exactly one member is there.
    struct Line: Codable {
        var explanation: Explanation?
        var error: AgentStatus.Line.Failure?
    }

    /// Reads an answer. Throws what it reports, or `badAnswer` where it is cut off or something else.
    init(line bytes: [UInt8]) throws {
        guard bytes.last == UInt8(ascii: "\n"), let line = try? JSONText.decode(Line.self, from: bytes) else {
            throw AgentError(
                .badAnswer, "The agent's answer is cut off or of another version.",
                remedy: "Ask again; use the same version for both.", fault: .peer)
        }
        if let error = line.error {
            throw ReportedFailure(code: error.code, message: error.message, remedy: error.remedy)
        }
        guard let explanation = line.explanation else {
            throw AgentError(.badAnswer, "The agent's answer says nothing.", remedy: "Ask again.", fault: .peer)
        }
        self = explanation
    }
}

extension AgentLimits {
    /// Seconds that whoever asks for an explanation waits: the registry may have to be asked, over a slow line.
    static let explainPatienceSeconds = 60
}

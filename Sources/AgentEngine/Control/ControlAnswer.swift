package import MartletTypes

/// A slot that people on the box sent back.
package struct LocalRollback: Sendable, Hashable, Codable {
    package var slot: SlotName
    /// What it goes back to.
    package var to: [ReleasePath]
    /// What it leaves.
    package var from: [ReleasePath]
}

/// A look at all files that generations need, one after the other from now on.
package struct ScrubRound: Sendable, Hashable, Codable {
    package var files: Int
    package var bytes: ByteCount
}

/// An answer on the control socket to somebody who wants something done: exactly one member is there.
struct ControlAnswer<Done: Sendable & Codable>: Sendable, Codable {
    var done: Done?
    var error: AgentStatus.Line.Failure?

    /// What came of `body`.
    init(_ body: () async throws -> Done) async {
        do {
            done = try await body()
        } catch {
            self.error = AgentStatus.Line.Failure(error)
        }
    }

    /// Reads what was done. Throws what the answer reports, or `badAnswer` where it is cut off or something else.
    static func done(in bytes: [UInt8]) throws -> Done {
        guard let answer = try? JSONText.decode(Self.self, from: bytes) else { throw malformed }
        if let error = answer.error {
            throw ReportedFailure(code: error.code, message: error.message, remedy: error.remedy)
        }
        guard let done = answer.done else { throw malformed }
        return done
    }

    private static var malformed: AgentError {
        AgentError(
            .badAnswer, "The agent's answer is cut off or of another version.",
            remedy: "Ask again; use the same version for both.", fault: .peer)
    }
}

package import MartletTypes

/// The answer to `rollback` on the control socket: exactly one member is there.
package struct RollbackAnswer: Sendable, Hashable, Codable {
    /// The slot is on its way back.
    package struct Done: Sendable, Hashable, Codable {
        package var slot: SlotName
        /// What it goes back to.
        package var to: [ReleasePath]
        /// What it leaves.
        package var from: [ReleasePath]
    }

    var done: Done?
    var error: AgentStatus.Line.Failure?

    /// Reads an answer. Throws what it reports, or `badAnswer` where it is cut off or something else.
    static func done(in bytes: [UInt8]) throws -> Done {
        guard let answer = try? JSONText.decode(RollbackAnswer.self, from: bytes) else { throw malformed }
        if let error = answer.error {
            throw ReportedFailure(code: error.code, message: error.message, remedy: error.remedy)
        }
        guard let done = answer.done else { throw malformed }
        return done
    }

    private static let malformed = AgentError(
        .badAnswer, "The agent's answer is cut off or of another version.",
        remedy: "Ask again; use the same version for both.", fault: .peer)
}

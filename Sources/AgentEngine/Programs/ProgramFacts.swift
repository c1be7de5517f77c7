internal import AgentStore
package import MartletTypes
package import ModelRuntime

/// What an agent's program says of itself, before it is trusted with a device.
package struct ProgramFacts: Sendable, Hashable, Codable {
    package var version: SemanticVersion
    /// The form of journal that it writes: another could not be read by the program before it.
    package var journal: Int
    /// The form of its orders for engines that are units of their own, which the installed program carries out.
    package var orders: Int

    /// What this program says; nil where its stamp was tampered with.
    package static var own: ProgramFacts? {
        (try? SemanticVersion(MartletVersion.stamped)).map {
            ProgramFacts(version: $0, journal: Journal.form, orders: EngineOrder.newestForm)
        }
    }

    /// The hidden command that prints them as JSON.
    package static let verb = "program-facts"

    /// The code of a program that this box may have kept from saying what it is.
    static let failed = "agentCheckFailed"

    /// Asks a program in a confinement. Throws `SlotFailure` where the box may have kept it from answering, which says
    /// nothing about the program.
    package static func ask(
        _ path: String, _ confinement: Confinement, seconds: Int = AgentLimits.describeSeconds
    ) async throws -> ProgramFacts {
        let bounds = ConfinedCall.Bounds(seconds: seconds, bytes: AgentLimits.childAnswerBytes)
        let answer: ConfinedCall.Answer
        do throws(RuntimeError) {
            answer = try await ConfinedCall(confinement: confinement, program: path).ask(
                [verb], readable: [path], bounds)
        } catch {
            // For want of memory, of descriptors, of room for a pipe; or it is no program, as more tries will show.
            guard error.kind == .engineNotStarted else { throw error }
            throw SlotFailure.hindered(failed, "The agent's program cannot be asked what it is. \(error.message)")
        }
        return try JSONText.decode(ProgramFacts.self, from: Array(words(of: answer, bounds).utf8))
    }

    private static func words(
        of answer: ConfinedCall.Answer, _ bounds: ConfinedCall.Bounds
    ) throws(SlotFailure) -> String {
        do throws(NoAnswer) {
            return try answer.words(within: bounds)
        } catch {
            let message = "Asked what it is, the agent's program gave no answer: \(error.how)."
            throw error.isOfBox ? .hindered(failed, message) : SlotFailure(.final, code: failed, message: message)
        }
    }
}

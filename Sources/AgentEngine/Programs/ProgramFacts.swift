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

    /// Asks a program in a confinement.
    package static func ask(_ path: String, _ confinement: Confinement) async throws -> ProgramFacts {
        let output = try await ConfinedCall(confinement: confinement, program: path).run(
            [verb], readable: [path], writable: [], seconds: AgentLimits.describeSeconds)
        return try JSONText.decode(ProgramFacts.self, from: Array(output.utf8))
    }
}

internal import GGUF
package import MartletTypes
package import ModelRuntime

/// What an installation needs to know of weight files; all else was signed with their manifest.
package struct WeightFacts: Sendable, Hashable, Codable {
    /// `general.architecture`.
    package var architecture: String
    /// Bytes of tensor data, of all parts.
    package var tensorBytes: ByteCount

    package init(architecture: String, tensorBytes: ByteCount) {
        self.architecture = architecture
        self.tensorBytes = tensorBytes
    }
}

/// Reads the heads of weight files before an engine does. Nobody has looked into such a file yet, so a child of this
/// program reads it that is confined as engines are: no network, no keys, no file but these.
package struct WeightCheck: Sendable {
    /// Tells the facts of a model from its file, or its parts in order. Throws what refuses the release, as
    /// `SlotFailure`.
    package typealias Read = @Sendable (_ paths: [String]) async throws -> WeightFacts

    private let read: Read

    /// With a way of reading that is not this program's own.
    package init(read: @escaping Read) { self.read = read }

    /// `program` is what is called in the confinement; nil is this very one.
    package init(
        confinement: Confinement, program: String? = nil, seconds: Int = AgentLimits.weightCheckSeconds
    ) {
        // What the owner opened to engines beyond the usual is nothing to a reader of one file.
        let call = ConfinedCall(confinement: Confinement(mode: confinement.mode), program: program)
        let bounds = Self.bounds(seconds)
        self.init { paths in
            let answer: ConfinedCall.Answer
            do throws(RuntimeError) {
                answer = try await call.ask([Self.verb] + paths, readable: paths, bounds)
            } catch {
                // A demanded confinement that is lacking is told as engines tell it.
                guard error.kind != .confinementUnavailable else { throw error }
                throw SlotFailure(.retry, code: "checkNotStarted", message: error.message)
            }
            return try Self.facts(of: answer, seconds: seconds)
        }
    }

    /// The facts of the model in `paths`.
    package func facts(of paths: [String]) async throws -> WeightFacts { try await read(paths) }

    private static func bounds(_ seconds: Int) -> ConfinedCall.Bounds {
        ConfinedCall.Bounds(
            seconds: seconds, bytes: AgentLimits.childAnswerBytes, memory: AgentLimits.weightCheckMemory)
    }

    // MARK: The answer

    /// What the child says: one of the two.
    private struct Answer: Codable {
        var facts: WeightFacts?
        var refusal: Refusal?
    }

    private struct Refusal: Codable {
        /// Of `GGUFError`.
        var code: String
        var message: String
    }

    /// What an answer amounts to. The file may have taken its reader over, so the answer is believed in nothing that
    /// would do more than refuse the release.
    package static func facts(of answer: ConfinedCall.Answer, seconds: Int) throws(SlotFailure) -> WeightFacts {
        let text: String
        do throws(NoAnswer) {
            text = try answer.words(within: bounds(seconds))
        } catch {
            let failure = broken(error.how)
            throw error.isOfBox ? .hindered(failed, failure.message) : failure
        }
        guard let answer = try? JSONText.decode(Answer.self, from: Array(text.utf8)) else {
            throw broken("what it said is no answer")
        }
        switch (answer.facts, answer.refusal) {
        case (let facts?, nil):
            guard facts.tensorBytes >= .zero else { throw broken("what it said is no answer") }
            return facts
        case (nil, let refusal?):
            guard GGUFError.Code(rawValue: refusal.code) != nil else { throw broken("what it said is no answer") }
            throw SlotFailure(
                .final, code: malformed, message: "\(refusal.message.asWordsOfChild) [\(refusal.code)]")
        default: throw broken("what it said is no answer")
        }
    }

    /// The code of files that are refused, and of files that no reader came back from.
    static let malformed = "malformedWeights"
    static let failed = "weightCheckFailed"

    private static func broken(_ how: String) -> SlotFailure {
        SlotFailure(
            .final, code: failed,
            message: "The weights could not be checked, for the program that reads them did not come through: \(how).")
    }

    // MARK: In the child

    /// The hidden command of this program that reads.
    package static let verb = "check-weights"

    /// What the hidden command does: the answer about the files. Blocks.
    package static func checkHere(_ paths: [String]) -> String {
        let answer: Answer
        do throws(GGUFError) {
            answer = Answer(facts: try readHere(paths))
        } catch {
            let message = String(error.message.prefix(AgentLimits.childWordsCharacters))
            answer = Answer(refusal: Refusal(code: error.code, message: message))
        }
        // Two short strings and a number: only a lack of memory keeps them from being written.
        guard let bytes = try? JSONText.encode(answer) else { return "" }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Reads in this process.
    private static func readHere(_ paths: [String]) throws(GGUFError) -> WeightFacts {
        var parts: [GGUFFile] = []
        for path in paths { parts.append(try GGUFFile.read(path: path)) }
        let shape = try GGUFFile.shape(parts: parts)
        guard shape.architecture.utf8.count <= AgentLimits.architectureBytes else {
            throw GGUFError(
                .tooLong, field: "metadata[\"general.architecture\"]", offset: 0,
                detail: "more than \(AgentLimits.architectureBytes) bytes")
        }
        return WeightFacts(architecture: shape.architecture, tensorBytes: shape.tensorBytes)
    }
}

internal import MartletTypes
internal import ModelRuntime

/// Why a child of this program that was to look into what nobody has checked yet gave no answer.
struct NoAnswer: Error {
    /// As the end of a sentence.
    let how: String
    /// Whether a box that is short of memory, or whose disk hardly answers, does the same to any child.
    var isOfBox = false
}

extension ConfinedCall.Answer {
    /// What the child said, which had these bounds.
    func words(within bounds: ConfinedCall.Bounds) throws(NoAnswer) -> String {
        switch self {
        case .text(let said): return said
        case .failed(let status): throw NoAnswer(how: "it ended with status \(status)")
        case .killed(9):
            throw NoAnswer(how: "it was ended by the kernel, as is done where memory is short", isOfBox: true)
        case .killed(let signal): throw NoAnswer(how: "it crashed (signal \(signal))")
        case .overdue: throw NoAnswer(how: "it had not finished after \(bounds.seconds) seconds", isOfBox: true)
        case .overlong: throw NoAnswer(how: "it said more than \(bounds.bytes) bytes")
        }
    }
}

extension SlotFailure {
    /// What the box itself may have hindered: tried again after a while, and given up where it is the same each time.
    static func hindered(_ code: String, _ message: String) -> SlotFailure {
        SlotFailure(.refused, code: code, message: message, asked: AgentLimits.hinderedPause)
    }

    /// Codes of what is `hindered`: no rollout stops for them, and nothing is tried for ever.
    static let ofBox: Set<String> = [WeightCheck.failed, EngineTrees.failed, ProgramFacts.failed]
}

extension String {
    /// Words of a child, as they may stand in reports and on terminals.
    var asWordsOfChild: String {
        String(
            String.UnicodeScalarView(
                unicodeScalars.prefix(AgentLimits.childWordsCharacters).map {
                    $0.properties.generalCategory == .control || $0.properties.generalCategory == .format ? "?" : $0
                }))
    }
}

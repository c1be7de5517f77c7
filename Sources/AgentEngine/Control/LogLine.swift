package import MartletTypes

/// One line of a log on this device.
package struct LogLine: Sendable, Hashable, Codable {
    /// When the agent logged it; an engine's lines have no time of their own.
    package var time: Timestamp?
    /// `info`, `warning` …; nil for an engine's.
    package var level: String?
    /// The slot that it is about; nil where it is about none.
    package var slot: SlotName?
    /// Whether an engine wrote it, and not the agent.
    package var isEngine: Bool
    package var text: String

    package init(time: Timestamp? = nil, level: String? = nil, slot: SlotName?, isEngine: Bool, text: String) {
        self.time = time
        self.level = level
        self.slot = slot
        self.isEngine = isEngine
        self.text = Self.printable(text)
    }

    /// Without control characters, so that no program can write to the terminal of whoever reads, and cut.
    private static func printable(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.prefix(AgentLimits.logLineCharacters).map {
                    $0.value < 0x20 || (0x7f..<0xa0).contains($0.value) ? " " : $0
                }))
    }
}

/// Which lines are wanted.
package struct LogRequest: Sendable, Hashable {
    /// Of one slot alone: its engine's lines, and the agent's about it; nil is all.
    package var slot: SlotName?
    /// How many of the agent, and of each engine.
    package var lines: Int
    /// Whether lines that come are wanted too.
    package var follows: Bool

    package init(slot: SlotName? = nil, lines: Int = 100, follows: Bool = false) {
        self.slot = slot
        self.lines = min(max(lines, 0), AgentLimits.logLines)
        self.follows = follows
    }
}

/// One line of the answer to `logs`: exactly one member is there.
struct LogAnswer: Codable {
    var line: LogLine?
    var error: AgentStatus.Line.Failure?
    /// Ends an answer that is whole.
    var end: Bool?

    func bytes() throws -> [UInt8] { try JSONText.encode(self) + [UInt8(ascii: "\n")] }
}

extension AgentLimits {
    /// Lines of one log in an answer.
    static let logLines = 10_000
    /// Characters of one line; an engine prints a whole chat template on one.
    static let logLineCharacters = 4096
    /// Bytes of the agent's own lines that are kept in memory: some hundred lines.
    static let logRingBytes = 64 * 1024
    /// The end of an engine's log that is read for an answer.
    static let engineLogBytes = 256 * 1024
    /// Lines that wait for one reader; one that is slower than the agent loses the oldest.
    static let logReaderLines = 256
    /// Between two looks at the engines' logs while somebody follows them.
    static let logInterval = Duration.milliseconds(250)
}

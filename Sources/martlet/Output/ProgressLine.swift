import MartletTypes

/// Progress of long work on standard error: one line that redraws on a terminal, plain lines elsewhere.
///
/// Not thread-safe; the command that shows it owns it.
final class ProgressLine {
    private let isTerminal: Bool
    private var lastPercent = -1
    private var isOpen = false

    init(isTerminal: Bool = StandardError.isTerminal) { self.isTerminal = isTerminal }

    /// Shows how far `name` has come.
    func update(_ name: String, done: Int64, total: Int64) {
        let percent = total > 0 ? Int(done * 100 / total) : 100
        guard percent != lastPercent else { return }
        if isTerminal {
            let filled = percent * 30 / 100
            let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: 30 - filled)
            StandardError.write("\r\u{1B}[2K\(name) [\(bar)] \(percent)% of \(ByteCount(total))")
            isOpen = true
        } else if percent / 25 != lastPercent / 25 || lastPercent < 0 {
            StandardError.write("\(name): \(percent)% of \(ByteCount(total))\n")
        }
        lastPercent = percent
    }

    /// Ends the line of what was shown; the next `update` starts afresh.
    func finish() {
        if isOpen { StandardError.write("\n") }
        isOpen = false
        lastPercent = -1
    }

    /// A line of its own.
    func note(_ text: String) {
        finish()
        StandardError.write(text + "\n")
    }
}

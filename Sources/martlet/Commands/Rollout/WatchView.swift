import FoundationEssentials
import Glibc
import MartletAPI
import MartletTypes
import RolloutView

/// What whoever watches a rollout sees: a view that is drawn in place on a terminal, lines elsewhere.
struct WatchView {
    private let printer: Output
    private let tellsItems: Bool
    private var frame = LiveFrame()
    private var shown: RolloutInfo?
    /// What is said below the head of the view for as long as it is so.
    private var standing: String?
    private var missing: String?

    init(printer: Output, tellsItems: Bool) {
        self.printer = printer
        self.tellsItems = tellsItems
    }

    /// Whether anything was shown.
    var hasBegun: Bool { shown != nil }

    private var isDrawn: Bool { frame.isLive && printer.format == .table }

    /// Shows the rollout as it is now, and what is new.
    mutating func tell(_ info: RolloutInfo, _ items: [RolloutNews.Item]) {
        shown = info
        missing = nil
        if printer.format == .json {
            if tellsItems { for item in items { printer.line(item) } }
        } else if isDrawn {
            redraw()
        } else {
            for line in items.compactMap(\.line) { printer.note(line) }
        }
    }

    /// Says something about the watching itself; where it `stays`, the view shows it from now on.
    mutating func note(_ text: String, stays: Bool) {
        standing = stays ? text : nil
        if !isDrawn { printer.note(text) }
    }

    /// Says once why there is nothing new, until there is.
    mutating func miss(_ text: String) {
        guard missing != text else { return }
        missing = text
        isDrawn ? redraw() : printer.note(text)
    }

    /// Draws the same once more: time goes on, and windows are resized.
    mutating func redraw() {
        guard isDrawn, let shown else { return }
        frame.draw(
            RolloutScreen(shown, now: systemClock(), terminal: LiveFrame.terminal, note: missing ?? standing))
    }
}

/// What is drawn again in the same place of the terminal, on standard error.
private struct LiveFrame {
    /// Whether there is a terminal that can do that.
    let isLive = StandardError.isTerminal
    private let colours = (ProcessInfo.processInfo.environment["NO_COLOR"] ?? "").isEmpty
    private var height = 0

    /// Size and abilities of the terminal as it is now: windows are resized.
    static var terminal: RolloutScreen.Terminal {
        let environment = ProcessInfo.processInfo.environment
        var window = winsize()
        let isKnown = ioctl(2, UInt(TIOCGWINSZ), &window) == 0 && window.ws_col > 0 && window.ws_row > 0
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].compactMap { environment[$0] }.first { !$0.isEmpty } ?? ""
        let name = locale.lowercased()
        return RolloutScreen.Terminal(
            columns: isKnown ? Int(window.ws_col) : 80, rows: isKnown ? Int(window.ws_row) : 24,
            isUnicode: name.contains("utf-8") || name.contains("utf8"))
    }

    mutating func draw(_ screen: RolloutScreen) {
        let lines = screen.text(colours: colours)
        // Up to where the last frame began, and everything from there on is erased (ECMA-48: CUU, ED).
        let back = height > 0 ? "\u{1B}[\(height)A\r\u{1B}[J" : ""
        StandardError.write(back + lines.map { $0 + "\n" }.joined())
        height = lines.count
    }
}

import FoundationEssentials
import Glibc
import MartletAPI
import MartletTypes
import RegistryClient
import RolloutView

/// Follows a rollout until it ends or waits for a person: drawn in place on a terminal, line by line elsewhere.
struct RolloutWatcher {
    let session: Session
    let printer: Output
    /// Whether it goes on while a person is waited for.
    var stays = false
    /// Whether JSON is one document for each change; else only the rollout at the end.
    var tellsItems = false

    /// Looks no more often, so that a fleet of thousands is not asked for all the time.
    private static let shortest: Duration = .milliseconds(200)
    /// On a terminal the clock on the screen goes on, also where nothing happens.
    private static let redraw: Duration = .seconds(1)
    /// A look may take this part of the time.
    private static let share = 5
    /// How long a registry may be away: it is restarted in less.
    private static let patience: Duration = .seconds(60)

    /// Returns when the rollout completed and moved somebody; throws `waitFailed` or `waitsForPerson`.
    func watch(_ id: RolloutID) async throws {
        var news = RolloutNews()
        var frame = LiveFrame()
        var last: RolloutInfo?
        let clock = ContinuousClock()
        var answered = clock.now
        while true {
            let asked = clock.now
            do {
                let info = try await session.get(OperatorRoutes.rollout, ["rollout": id.text], as: RolloutInfo.self)
                answered = clock.now
                last = info
                tell(info, news.take(info), &frame)
                if let ending = RolloutEnding.of(info), !stays || info.state.isFinal {
                    return try finish(info, ending)
                }
            } catch let error as ClientError where error.fault == .transport && last != nil {
                guard clock.now - answered < Self.patience else { throw error }
                frame.note("The registry is away (\(error.code)); asking again …", printer)
            }
            let took = clock.now - asked
            let least = frame.isLive ? Self.redraw : Self.shortest
            try await Task.sleep(for: max(least, took * (Self.share - 1)))
        }
    }

    private func tell(_ info: RolloutInfo, _ items: [RolloutNews.Item], _ frame: inout LiveFrame) {
        if printer.format == .json {
            if tellsItems { for item in items { printer.line(item) } }
        } else if frame.isLive {
            frame.draw(RolloutScreen(info, now: systemClock(), terminal: LiveFrame.size))
        } else {
            for line in items.compactMap(\.line) { printer.note(line) }
        }
    }

    private func finish(_ info: RolloutInfo, _ ending: RolloutEnding) throws {
        if printer.format == .json, tellsItems { printer.line(RolloutNews.end(info)) }
        if printer.format == .table || !tellsItems {
            try printer.say(info) {
                let counts = StateCounts.text($0.counts)
                return $0.state == .completed
                    ? "Rollout \($0.id) completed: \(counts). \($0.reason)"
                    : "Rollout \($0.id) is \($0.state.rawValue): \($0.reason)"
            }
        }
        switch ending {
        case .completed: return
        case .failed(let why):
            throw CommandError("waitFailed", why, remedy: RolloutEnding.remedy(info), fault: .peer)
        case .waitsForPerson(let why):
            throw CommandError("waitsForPerson", why, remedy: RolloutEnding.remedy(info), fault: .peer)
        }
    }
}

/// What is drawn again in the same place of the terminal, on standard error.
private struct LiveFrame {
    /// Whether there is a terminal that can do that.
    let isLive = StandardError.isTerminal
    private let colours = (ProcessInfo.processInfo.environment["NO_COLOR"] ?? "").isEmpty
    private var height = 0
    private var noted: String?

    /// Size and abilities of the terminal as it is now: windows are resized.
    static var size: RolloutScreen.Terminal {
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
        noted = nil
    }

    /// A line below the frame, once.
    mutating func note(_ text: String, _ printer: Output) {
        guard noted != text else { return }
        noted = text
        printer.note(text)
        height += 1
    }
}

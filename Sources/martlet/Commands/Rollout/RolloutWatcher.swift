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

    /// On a terminal the clock on the screen goes on, also where nothing happens.
    private static let redraw: Duration = .seconds(1)
    /// How often it is seen whether a look is due: what the stream tells waits no longer.
    private static let step: Duration = .milliseconds(50)
    /// How long a registry may be away: it is restarted in less.
    private static let patience: Duration = .seconds(60)

    /// Returns when the rollout completed and moved somebody; throws `waitFailed` or `waitsForPerson`.
    func watch(_ id: RolloutID) async throws {
        let listener = try RolloutListener(id, registry: session.registry)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await listener.listen() }
            defer { group.cancelAll() }
            try await look(at: id, listener)
        }
    }

    private func look(at id: RolloutID, _ listener: RolloutListener) async throws {
        var news = RolloutNews()
        var view = WatchView(printer: printer, tellsItems: tellsItems)
        var answered = listener.now
        while true {
            let asked = listener.now
            listener.withRhythm { $0.looks() }
            do {
                let info = try await session.get(OperatorRoutes.rollout, ["rollout": id.text], as: RolloutInfo.self)
                answered = listener.now
                listener.withRhythm { $0.looked(asked: asked, at: answered) }
                if let notice = listener.withRhythm({ $0.notice(at: answered) }) {
                    view.note(notice, stays: listener.withRhythm { $0.isWithoutStream })
                }
                view.tell(info, news.take(info))
                if let ending = RolloutEnding.of(info), !stays || info.state.isFinal {
                    return try finish(info, ending)
                }
            } catch let error as ClientError where error.fault == .transport && view.hasBegun {
                let now = listener.now
                guard now - answered < Self.patience else { throw error }
                listener.withRhythm { $0.away(asked: asked, at: now) }
                view.miss("The registry is away (\(error.code)); asking again …")
            }
            var drawn = listener.now
            while listener.now < listener.withRhythm({ $0.next }) {
                try await Task.sleep(for: Self.step)
                guard listener.now - drawn >= Self.redraw else { continue }
                drawn = listener.now
                view.redraw()
            }
        }
    }

    private func finish(_ info: RolloutInfo, _ ending: RolloutEnding) throws {
        if printer.format == .json, tellsItems { printer.line(RolloutNews.end(info)) }
        // For people what is no success is the error below.
        if printer.format == .table ? ending == .completed : !tellsItems {
            try printer.say(info) { "Rollout \($0.id) completed: \(StateCounts.text($0.counts)). \($0.reason)" }
        }
        switch ending {
        case .completed: return
        case .failed(let why): throw CommandError("waitFailed", why, remedy: Self.remedy(info), fault: .peer)
        case .waitsForPerson(let why):
            throw CommandError("waitsForPerson", why, remedy: Self.remedy(info), fault: .peer)
        }
    }
    private static func remedy(_ info: RolloutInfo) -> String {
        let why = "`martlet rollout explain \(info.id)` says why."
        return NextStep.of(info).map { "\(why) \($0)" } ?? why
    }
}

import MartletAPI
import MartletTypes
import RegistryStore
import RolloutEngine

extension RolloutService {
    /// Decisions, and devices that wait, that one answer tells.
    private static let explained = 50
    /// Moves of the device's slot that one answer tells.
    private static let movesExplained = 10

    /// Why a rollout, or one device in it, is where it is. Throws 404 `unknownRollout` and `unknownDevice`.
    func explain(_ id: RolloutID, _ device: DeviceID?, within reach: Reach) async throws -> RolloutExplanation {
        let (core, kept) = (core, kept)
        return try await core.database.read { sql in
            let row = try RolloutReach(reach, sql).find(id, kept)
            let now = core.clock()
            let decisions = try RolloutStore(sql).decisions(id, newest: Self.explained)
            let waiting = row.run.members.lazy.filter { $0.isInFlight || $0.isRestoring }
                .sorted { ($0.updated, $0.device) < ($1.updated, $1.device) }.prefix(Self.explained)
            var explanation = RolloutExplanation(
                id: id, state: row.run.header.state, because: [],
                decisions: decisions.reversed().map(RolloutInfo.Decision.init),
                gates: GateStanding.all(row.run.header), waiting: waiting.map(RolloutInfo.Device.init))
            if let device {
                let part = try Self.part(device, row, reach, sql, core)
                explanation.part = part
                explanation.because = Self.sentences(part, device, row, now: now)
            } else {
                explanation.because = Self.sentences(row, now: now)
            }
            return explanation
        }
    }

    private static func part(
        _ device: DeviceID, _ row: RolloutRow, _ reach: Reach, _ sql: any SQLConnection, _ core: RegistryCore
    ) throws -> RolloutExplanation.Part {
        let found = try DeviceReach(reach, sql).device(device, sql)
        let exemptions = try ExemptionStore(sql).list(device, now: core.clock())
        let moves = try OperatorService.moves(of: device, before: nil, limit: Limits.pageRows, reach, sql)
        return RolloutExplanation.Part(
            device: row.run.member(device).map(RolloutInfo.Device.init),
            online: core.presence.isOnline(device, lastSeen: found.lastSeen),
            lastSeen: core.presence.lastSeen(device, stored: found.lastSeen),
            lastReport: try ReportStore(sql).last(device, slot: row.slot).map { try DeviceReport($0) },
            pin: exemptions.first { $0.slot == row.slot }.map(Exemption.init),
            hold: exemptions.first { $0.slot == nil }.map(Exemption.init),
            moves: Array(moves.filter { $0.slot == row.slot }.prefix(movesExplained)))
    }

    // MARK: - Sentences

    private static func sentences(_ row: RolloutRow, now: Timestamp) -> [String] {
        let header = row.run.header
        var sentences = ["It is \(PageWords.words(header.state.rawValue)): \(header.reason)."]
        if header.state == .running {
            sentences.append(
                "Wave \(min(header.wave + 1, header.waveCount)) of \(header.waveCount): \(words(header.phase)).")
        }
        let waiting = row.run.members.filter(\.isWaiting)
        func tell(_ count: Int, _ one: String, _ several: String) {
            if count > 0 { sentences.append(count == 1 ? "One device \(one)." : "\(count) devices \(several).") }
        }
        tell(waiting.count, "waits for its conditions", "wait for their conditions")
        tell(row.run.inFlight - waiting.count, "is at work", "are at work")
        tell(row.run.members.filter(\.isHeld).count, "is held out or pinned", "are held out or pinned")
        for gate in header.gates {
            if let figures = gate.figures, !figures.sentence.isEmpty { sentences.append(figures.sentence) }
        }
        if let end = row.run.estimatedEnd(now: now) {
            sentences.append("At this pace it ends at \(PageWords.time(end)).")
        }
        return sentences
    }

    private static func words(_ phase: RolloutPhase) -> String {
        switch phase {
        case .moving: "devices are started and awaited"
        case .soaking: "all its devices are through, its soak time runs"
        case .measuring: "the soak is over, a gate has not passed yet"
        case .confirming: "the next wave waits for a person; `martlet rollout confirm` lets it start"
        }
    }

    private static func sentences(
        _ part: RolloutExplanation.Part, _ device: DeviceID, _ row: RolloutRow, now: Timestamp
    ) -> [String] {
        var sentences: [String] = []
        if let hold = part.hold { sentences.append("\(device) is held out by \(hold.by): \(hold.reason)") }
        if let pin = part.pin { sentences.append("Slot \(row.slot) is pinned by \(pin.by): \(pin.reason)") }
        guard let member = row.run.member(device) else {
            return sentences + ["\(device) takes no part: it did not match \"\(row.selector)\" when this started."]
        }
        let header = row.run.header
        switch member.state {
        case .pending where member.wave > header.wave:
            sentences.append("Its wave, \(member.wave + 1), has not begun; wave \(header.wave + 1) is at work.")
        case .pending where member.isWaitingForRetry: sentences.append("It waits for its next attempt.")
        case .pending: sentences.append("Its turn has not come: the limit in flight or the rate holds it back.")
        case .offered where member.isWaiting: sentences.append("It waits for its own conditions.")
        case .offered where !part.online: sentences.append("It was told and has not been heard of since.")
        default:
            let since = PageWords.time(member.updated)
            sentences.append("It is \(PageWords.words(member.state.rawValue)) since \(since).")
        }
        if member.state.isInFlight || member.state == .pending, let failure = member.lastFailure {
            sentences.append("Attempt \(member.attempts) failed: \(failure)")
        }
        if let why = PageWords.why(member.code, member.message) { sentences.append("Why: \(why)") }
        if let owner = member.takenBy { sentences.append("Its slot belongs to \(owner) now.") }
        if member.isRestoring { sentences.append("It was told to go back and has not said that it is.") }
        if header.state != .running { sentences.append("The rollout is \(header.state.rawValue): \(header.reason).") }
        return sentences
    }
}

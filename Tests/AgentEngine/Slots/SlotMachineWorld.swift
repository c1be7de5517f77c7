import AgentEngine
import AgentStore
import MartletTypes
import Trust

/// A slot's driver, journal, disk and engines in memory, with an agent that may be killed between any two things it
/// does.
struct SlotWorld {
    /// An order to the engines; they are carried out one after the other, also those of a work that was called off.
    private struct Command {
        var action: SlotAction
        var token: Int?
    }

    private(set) var machine: SlotMachine
    /// What is on the disk.
    private var journal: SlotRecord
    private var commands: [Command] = []
    private var work: (action: SlotAction, token: Int)?
    private var token = 0
    private var wakes: [Timestamp] = []
    private(set) var engines: Set<GenerationID> = []
    private(set) var routed: GenerationID?
    private var wanted: GenerationRecord?
    private var nextGeneration: Int64 = 1
    private(set) var now = SlotFixtures.start
    private var promises = SlotPromises()
    private(set) var broken: [String] = []
    /// What was fetched since the last assignment that changed something.
    private(set) var fetches = 0
    private(set) var events: [String] = []

    init() throws {
        machine = SlotMachine(record: SlotRecord(slot: try SlotFixtures.slot()))
        journal = machine.record
    }

    var record: SlotRecord { machine.record }
    /// Whether something is being done.
    var isBusy: Bool { work != nil || !commands.isEmpty }
    var waits: Bool { !wakes.isEmpty }

    // MARK: Events

    mutating func send(_ event: SlotEvent, random: Double = 0.5) throws {
        let before = machine.record
        let step = machine.handle(event, now: now, random: random)
        events.append("\(event.name) → \(machine.record.phase)")
        broken += promises.broken(before: before, after: machine.record, step, event, now: now)
        journal = machine.record
        if case .assigned = event, before.target?.assignment != machine.record.target?.assignment { fetches = 0 }
        for action in step.actions { act(action) }
    }

    private mutating func act(_ action: SlotAction) {
        switch action {
        case .cancelWork: work = nil
        case .look, .plan, .fetch, .verify, .check, .stage, .probe, .evaluate, .shadow, .awaitIdle:
            token += 1
            work = (action, token)
        case .startCandidate, .switchOver:
            token += 1
            work = (action, token)
            commands.append(Command(action: action, token: token))
        case .serve, .endOthers, .endAll, .empty: commands.append(Command(action: action, token: nil))
        case .wake(let time): wakes.append(time)
        case .point, .collect: break
        }
    }

    /// The process is gone, and its engines with it; a new one reads the journal.
    mutating func kill() throws {
        machine = SlotMachine(record: try JSONText.decode(SlotRecord.self, from: JSONText.encode(journal)))
        if machine.record != journal { broken.append("read as another record") }
        commands = []
        work = nil
        wakes = []
        engines = []
        routed = nil
        wanted = nil
        try send(.started)
    }

    /// Time passes, or the clock is set back while the agent is not running.
    mutating func pass(_ duration: Duration) throws {
        now = now + duration
        let due = wakes.filter { $0 <= now }
        wakes.removeAll { $0 <= now }
        for _ in due { try send(.woke) }
    }

    mutating func setBack(_ duration: Duration) throws {
        now = now - duration
        try kill()
    }

    /// An engine ends by itself. One that shall serve is started again, `isHopeless` or not.
    mutating func crash(_ id: GenerationID, isHopeless: Bool) throws {
        guard engines.contains(id) else { return }
        let failure = SlotFailure(.final, code: "engineExited", message: "It ended.")
        if wanted?.id == id {
            guard isHopeless else { return }
            try send(.engineLost(id, SlotFailure(.final, code: "crashLoop", message: "5 ends.")))
        } else {
            engines.remove(id)
            if routed == id { routed = nil }
            try send(.engineLost(id, failure))
        }
    }

    // MARK: Doing

    /// Carries out the next order, or brings the work at hand to its end, well or with this failure.
    mutating func go(_ failure: SlotFailure?, passes: Bool, owes: Bool, swap: SwapMode) throws {
        if !commands.isEmpty {
            try carryOut(commands.removeFirst(), failure, swap)
        } else if let (action, _) = work {
            work = nil
            if let failure {
                try send(.failed(failure))
            } else {
                try send(result(of: action, passes: passes, owes: owes, swap: swap))
            }
        }
    }

    private mutating func result(of action: SlotAction, passes: Bool, owes: Bool, swap: SwapMode) -> SlotEvent {
        switch action {
        case .look(_, let notBefore):
            if let notBefore, notBefore > now { return .mustWait("It is not its turn.", until: notBefore) }
            return passes ? .mayBegin : .mustWait("It is too hot.", until: now + .seconds(60))
        case .awaitIdle: return .mayBegin
        case .shadow(let candidate, _):
            guard engines.contains(candidate.id) else { return .failed(Self.gone) }
            guard routed != nil else { return .shadowNotPossible("nothing serves") }
            return .shadowed(SlotFixtures.shadowed(passes ? 10 : 1))
        case .plan(let target):
            let isThere = [record.current, record.previous].contains { $0?.releases == target.assignment.releases }
            return .planned(blobs: [], missing: isThere ? .zero : ByteCount(9), installed: isThere)
        case .fetch:
            fetches += 1
            return .fetched(bytes: ByteCount(9), milliseconds: 1)
        case .verify: return .verified
        case .check: return .checked
        case .stage:
            defer { nextGeneration += 1 }
            guard let target = record.target else { return .woke }
            return .staged(
                SlotFixtures.generation(nextGeneration, target, slot: record.slot), owesEvaluation: owes,
                needsPlace: swap == .replace)
        case .probe(let candidate): return engines.contains(candidate.id) ? .probed : .failed(Self.gone)
        case .evaluate(let candidate):
            return engines.contains(candidate.id)
                ? .evaluated(SlotFixtures.result(passes ? 10 : 1)) : .failed(Self.gone)
        default: return .woke
        }
    }

    private mutating func carryOut(_ command: Command, _ failure: SlotFailure?, _ swap: SwapMode) throws {
        switch command.action {
        case .startCandidate(let candidate):
            guard finishWork(command) else { return }
            if swap == .replace, let old = routed {
                engines.remove(old)
                routed = nil
            }
            if let failure { return try send(.failed(failure)) }
            engines.insert(candidate.id)
            try send(.candidateReady(routed == nil ? .sideBySide : swap, milliseconds: 1))
        case .switchOver(let candidate, _):
            guard finishWork(command) else { return }
            guard engines.contains(candidate.id) else { return try send(.failed(Self.gone)) }
            wanted = nil
            routed = candidate.id
            try send(.switched(unavailableMilliseconds: 0))
        case .serve(let record):
            wanted = record
            if let failure, !engines.contains(record.id) {
                try send(.serveFailed(record.id, SlotFailure(.retry, code: failure.code, message: failure.message)))
            }
            // It is tried until it serves.
            engines = [record.id]
            routed = record.id
            try send(.served(record.id))
        case .endOthers(let spared): engines = engines.filter { $0 == routed || $0 == spared }
        default:
            engines = []
            routed = nil
            wanted = nil
        }
    }

    /// Whether the order's work was not called off meanwhile.
    private mutating func finishWork(_ command: Command) -> Bool {
        guard let work, work.token == command.token else { return false }
        self.work = nil
        return true
    }

    private static let gone = SlotFailure(.final, code: "engineExited", message: "It is not running any more.")

    // MARK: Looking

    /// Looks at the world when all orders were carried out.
    mutating func look() {
        guard commands.isEmpty else { return }
        let known = Set([record.current?.id, record.candidate?.id].compactMap(\.self))
        if !engines.isSubset(of: known) { broken.append("engines \(engines) run where \(known) are known") }
        if let routed, !engines.contains(routed) { broken.append("the gateway leads to nothing") }
        if !SlotPromises.hasCandidate.contains(record.phase), routed != record.current?.id {
            broken.append("\(String(describing: routed)) serves while \(record.phase), not what is committed")
        }
    }
}

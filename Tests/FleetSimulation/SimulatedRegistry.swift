import MartletAPI
import MartletTypes
import Trust

@testable import FleetSimulation

/// A registry for one device that is only as much as the machine sees of it, on a clock of its own: it loses calls,
/// refuses some,
/// and keeps reports as the real one does.
struct SimulatedRegistry {
    var now = Timestamp(seconds: 1_800_000_000)
    var machine: DeviceMachine
    /// What calls come to, beside success: shares.
    var lossRate = 0.0
    var refusalRate = 0.0
    private(set) var random: SeededRandom
    /// What the device shall run, under its number.
    private(set) var assignment: Assignment?
    private(set) var inventory: Inventory?
    /// Reports that were news, in the order in which they were taken.
    private(set) var taken: [DeviceReport] = []
    /// Batches that came, taken or not.
    private(set) var batches: [ReportBatch] = []
    private(set) var exports: [Int64] = []
    private(set) var absences = 0
    /// What devices read, by path, and the paths that they asked for.
    var documents: [String: [UInt8]] = [:]
    private(set) var fetched: [String] = []
    private(set) var problems: [String] = []

    init(_ traits: DeviceTraits, _ profile: FleetProfile, fetch: FetchMode = .none, seed: UInt64 = 1) {
        machine = DeviceMachine(traits: traits, plan: FleetPlan(profile: profile, fetch: fetch, seed: traits.seed))
        random = SeededRandom(seed: seed, "registry")
    }

    /// Moves the slot `triage`; nil empties it.
    mutating func assign(_ path: String?, soakSeconds: Int = 5, index: [UInt8]? = nil) throws {
        let number = (assignment?.number ?? 0) + 1
        var slots: [SlotName: SlotAssignment] = [:]
        if let path {
            let release = AssignedRelease(
                path: try ReleasePath(path), indexDigest: Digest.of(index ?? Array(path.utf8)), length: 400)
            slots[try SlotName("triage")] = SlotAssignment(
                releases: [release], generation: number, rollout: try RolloutID("r-1"),
                update: UpdatePolicy(soakSeconds: soakSeconds))
        }
        assignment = Assignment(
            device: machine.traits.device, number: number, issued: now, expires: now + .seconds(86_400), slots: slots)
    }

    /// Lets the device live for a while; returns what it did.
    @discardableResult
    mutating func run(for duration: Duration, stopping: (Self) -> Bool = { _ in false }) -> Int {
        let end = now + duration
        var steps = 0
        while now < end, !stopping(self) {
            steps += 1
            guard steps < 200_000 else {
                problems.append("the device does not come to rest")
                return steps
            }
            switch machine.next(now: now) {
            case .end: return steps
            case .enrol: answer(.done, taking: .milliseconds(20))
            case .rest(let until):
                if until <= now { problems.append("a rest until \(until) at \(now)") }
                now = min(max(until, now + .milliseconds(1)), end)
            case .leave(let until):
                absences += 1
                if until <= now { problems.append("away until \(until) at \(now)") }
                now = max(until, now)
            case .call(let call): perform(call)
            }
        }
        return steps
    }

    private mutating func answer(_ outcome: DeviceOutcome, taking time: Duration) {
        now = now + time
        machine.take(outcome, now: now)
    }

    private mutating func perform(_ call: DeviceCall) {
        if random.happens(lossRate / 2) {
            answer(.lost, taking: .milliseconds(30))
            return
        }
        if random.happens(refusalRate) {
            answer(.refused(status: 503, code: "busy", retryAfterSeconds: nil), taking: .milliseconds(5))
            return
        }
        let outcome = take(call)
        // What was taken and whose answer is lost comes again.
        let isAnswerLost = random.happens(lossRate / 2)
        answer(isAnswerLost ? .lost : outcome, taking: .milliseconds(5))
    }

    private mutating func take(_ call: DeviceCall) -> DeviceOutcome {
        switch call {
        case .inventory(let inventory):
            self.inventory = inventory
            return .done
        case .reports(let batch, let isAnswerLost):
            let receipt = keep(batch)
            return isAnswerLost ? .lost : .receipt(receipt)
        case .telemetry(_, let sequence):
            exports.append(sequence)
            return .done
        case .fetch(let path, _, _):
            fetched.append(path)
            return .fetched(documents[path] ?? [])
        case .poll(let number, let seconds):
            if !(1...Int64(Limits.longPollSeconds)).contains(seconds) { problems.append("a poll of \(seconds) s") }
            if let assignment, assignment.number > number { return .assignment(assignment) }
            now = now + .seconds(seconds)
            return .done
        }
    }

    /// As the registry does it: each number once, in rising order within a batch.
    private mutating func keep(_ batch: ReportBatch) -> ReportReceipt {
        batches.append(batch)
        for report in batch.reports.sorted(by: { $0.sequence < $1.sequence })
        where report.sequence > (taken.last?.sequence ?? 0) {
            if report.sequence != (taken.last?.sequence ?? 0) + 1 {
                problems.append("report \(report.sequence) comes after \(taken.last?.sequence ?? 0)")
            }
            taken.append(report)
        }
        return ReportReceipt(highest: taken.last?.sequence ?? 0)
    }

    /// States that were reported for a generation, in order.
    func states(of generation: Int64) -> [DeviceRolloutState] {
        taken.filter { $0.generation == generation }.compactMap(\.state)
    }
}

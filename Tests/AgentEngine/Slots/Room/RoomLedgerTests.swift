import AgentEngine
import MartletTypes
import Testing

/// Who gets room and who goes, case by case. Memory is counted in MiB, time in seconds.
@Suite("Room in memory")
struct RoomLedgerTests {
    /// An engine that is there at the start.
    struct Here: Sendable {
        var slot: String
        var need: Int64
        var priority = 0
        var start = SlotResidency.Start.ifRoom
        /// Seconds since it became ready; nil while it starts.
        var age: Int? = 100
        /// Seconds without a request; nil while one is open.
        var idle: Int? = 50
        var urgency = EngineUrgency.demand
        var base: Int64 = 0
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var here: [Here]
        var asks: Here
        var urgency = EngineUrgency.demand
        /// The slots that are to go, in their order; nil where it has to wait.
        var goes: [String]?
        var isFinal = false
        var testDescription: String { name }
    }

    static let cases: [Case] = [
        Case(
            name: "free room is simply taken", here: [Here(slot: "a", need: 60)], asks: Here(slot: "x", need: 40),
            goes: []),
        Case(
            name: "the longest unused goes first",
            here: [Here(slot: "a", need: 50, idle: 20), Here(slot: "b", need: 50, idle: 60)],
            asks: Here(slot: "x", need: 40), goes: ["b"]),
        Case(
            name: "low priority goes before long unused",
            here: [Here(slot: "a", need: 50, idle: 20), Here(slot: "b", need: 50, priority: 1, idle: 60)],
            asks: Here(slot: "x", need: 40), goes: ["a"]),
        Case(
            name: "no more go than must: the small one that was chosen first stays",
            here: [Here(slot: "a", need: 20, idle: 90), Here(slot: "b", need: 80, idle: 60)],
            asks: Here(slot: "x", need: 70), goes: ["b"]),
        Case(
            name: "several go where one is not enough",
            here: [Here(slot: "a", need: 50, idle: 90), Here(slot: "b", need: 50, idle: 60)],
            asks: Here(slot: "x", need: 100), goes: ["a", "b"]),
        Case(
            name: "what always runs is never ended", here: [Here(slot: "a", need: 80, start: .always)],
            asks: Here(slot: "x", need: 40, priority: 9), goes: nil, isFinal: true),
        Case(
            name: "one that was started a moment ago stays", here: [Here(slot: "a", need: 80, age: 3)],
            asks: Here(slot: "x", need: 40, priority: 9), goes: nil),
        Case(
            name: "one that still starts stays", here: [Here(slot: "a", need: 80, age: nil)],
            asks: Here(slot: "x", need: 40), goes: nil),
        Case(
            name: "a busy one of the same priority goes after its answers",
            here: [Here(slot: "a", need: 80, idle: nil)],
            asks: Here(slot: "x", need: 40), goes: ["a"]),
        Case(
            name: "a busy one of higher priority stays", here: [Here(slot: "a", need: 80, priority: 1, idle: nil)],
            asks: Here(slot: "x", need: 40), goes: nil),
        Case(
            name: "an idle one of higher priority goes: nobody asks it", here: [Here(slot: "a", need: 80, priority: 1)],
            asks: Here(slot: "x", need: 40), goes: ["a"]),
        Case(
            name: "idle ones go before busy ones of lower priority",
            here: [Here(slot: "a", need: 50, idle: nil), Here(slot: "b", need: 50, priority: 5)],
            asks: Here(slot: "x", need: 40, priority: 5), goes: ["b"]),
        Case(
            name: "what shall serve, unasked, displaces nobody of its own priority", here: [Here(slot: "a", need: 80)],
            asks: Here(slot: "x", need: 40), urgency: .standby, goes: nil),
        Case(
            name: "what shall serve, unasked, displaces idle ones of lower priority, however young",
            here: [Here(slot: "a", need: 80, age: 0)], asks: Here(slot: "x", need: 40, priority: 1), urgency: .standby,
            goes: ["a"]),
        Case(
            name: "what shall serve, unasked, waits for a lesser one that starts rather than ending its better",
            here: [Here(slot: "a", need: 50, age: nil), Here(slot: "b", need: 50, priority: 1)],
            asks: Here(slot: "x", need: 40, priority: 2), urgency: .standby, goes: nil),
        Case(
            name: "a candidate displaces idle ones", here: [Here(slot: "a", need: 80)], asks: Here(slot: "x", need: 40),
            urgency: .candidate, goes: ["a"]),
        Case(
            name: "a candidate displaces no busy ones", here: [Here(slot: "a", need: 80, idle: nil)],
            asks: Here(slot: "x", need: 40, priority: 9), urgency: .candidate, goes: nil),
        Case(
            name: "a request displaces a candidate, of its own slot too",
            here: [Here(slot: "x", need: 80, idle: nil, urgency: .candidate)], asks: Here(slot: "x", need: 40),
            goes: ["x"]),
        Case(
            name: "what always runs takes its room at once",
            here: [Here(slot: "a", need: 80, priority: 9, age: 0, idle: nil)],
            asks: Here(slot: "x", need: 40, start: .always), goes: ["a"]),
        Case(
            name: "a mapped base counts once", here: [Here(slot: "a", need: 10, base: 70)],
            asks: Here(slot: "x", need: 20, base: 70), goes: []),
        Case(
            name: "ending one of two that share a base frees its own part alone",
            here: [Here(slot: "a", need: 15, idle: 90, base: 70), Here(slot: "b", need: 15, idle: 60, base: 70)],
            asks: Here(slot: "x", need: 40), goes: ["a", "b"]),
        Case(
            name: "an estimate above the budget has the budget alone", here: [Here(slot: "a", need: 10)],
            asks: Here(slot: "x", need: 500), goes: ["a"]),
    ]

    @Test("Who goes for whom", arguments: cases)
    func decision(_ test: Case) throws {
        let now = ContinuousClock.now
        var ledger = RoomLedger(budget: .mebibytes(100), minResidence: .seconds(10))
        for here in test.here {
            let claim = try Self.claim(here, generation: 1, here.urgency)
            #expect(ledger.claim(claim, now: now - .seconds(200), usage: { _ in .init(idle: .zero) }) == .admitted)
            if let age = here.age { ledger.ready(claim.key, now: now - .seconds(age)) }
        }
        let claim = try Self.claim(test.asks, generation: 2, test.urgency)
        let decision = ledger.claim(claim, now: now) { slot in
            .init(idle: test.here.first { $0.slot == slot.text }?.idle.map { .seconds($0) })
        }
        switch (decision, test.goes) {
        case (.admitted, let goes?): #expect(goes.isEmpty)
        case (.displace(let victims), let goes?): #expect(victims.map(\.key.slot.text) == goes)
        case (.wait(let refusal), nil): #expect(refusal.isFinal == test.isFinal, "\(refusal.reason)")
        default: Issue.record("\(decision)")
        }
    }

    @Test("Room is promised to who displaces, and given back where somebody stays")
    func promise() throws {
        let now = ContinuousClock.now
        var ledger = RoomLedger(budget: .mebibytes(100), minResidence: .seconds(10))
        let idle: (SlotName) -> RoomLedger.Usage = { _ in .init(idle: .seconds(50)) }
        let a = try Self.claim(Here(slot: "a", need: 80), generation: 1, .demand)
        #expect(ledger.claim(a, now: now, usage: idle) == .admitted)
        ledger.ready(a.key, now: now - .seconds(60))
        let x = try Self.claim(Here(slot: "x", need: 60), generation: 1, .demand)
        let y = try Self.claim(Here(slot: "y", need: 60), generation: 1, .demand)
        #expect(ledger.claim(x, now: now, usage: idle) == .displace([.init(key: a.key, isBusy: false)]))
        guard case .wait = ledger.claim(y, now: now, usage: idle) else {
            Issue.record("what is promised to one was given to another")
            return
        }
        // It stays: it has its time anew, and nobody has the room.
        let isThere = ledger.settle(x.key, stayed: [a.key], now: now)
        #expect(!isThere)
        guard case .wait = ledger.claim(x, now: now + .seconds(9), usage: idle) else {
            Issue.record("one that stayed was asked again at once")
            return
        }
        ledger.giveUp(y.key)
        #expect(
            ledger.claim(x, now: now + .seconds(11), usage: idle) == .displace([.init(key: a.key, isBusy: false)]))
        ledger.leave(a.key)
        let isFree = ledger.settle(x.key, stayed: [], now: now)
        #expect(isFree)
        #expect(ledger.taken == .mebibytes(60))
    }

    @Test("Who came first, or has the higher priority, displaces first; free room is anybody's")
    func line() throws {
        let now = ContinuousClock.now
        var ledger = RoomLedger(budget: .mebibytes(100), minResidence: .seconds(10))
        let idle: (SlotName) -> RoomLedger.Usage = { _ in .init(idle: .seconds(50)) }
        let a = try Self.claim(Here(slot: "a", need: 90), generation: 1, .demand)
        _ = ledger.claim(a, now: now, usage: idle)
        ledger.ready(a.key, now: now - .seconds(5))
        let low = try Self.claim(Here(slot: "low", need: 50), generation: 1, .demand)
        let high = try Self.claim(Here(slot: "high", need: 50, priority: 1), generation: 1, .demand)
        let small = try Self.claim(Here(slot: "small", need: 10), generation: 1, .standby)
        for claim in [low, high] {
            guard case .wait = ledger.claim(claim, now: now, usage: idle) else {
                Issue.record("\(claim.key.slot) did not wait")
                return
            }
        }
        #expect(ledger.claim(small, now: now, usage: idle) == .admitted)
        let later = now + .seconds(6)
        guard case .wait = ledger.claim(low, now: later, usage: idle) else {
            Issue.record("the lower priority overtook the higher")
            return
        }
        #expect(ledger.claim(high, now: later, usage: idle) == .displace([.init(key: a.key, isBusy: false)]))
    }

    @Test("Without a budget there is always room")
    func unlimited() throws {
        var ledger = RoomLedger(budget: nil, minResidence: .seconds(10))
        for number in 1...50 {
            let claim = try Self.claim(Here(slot: "s\(number)", need: 1 << 30), generation: 1, .standby)
            #expect(ledger.claim(claim, now: .now, usage: { _ in .init(idle: nil) }) == .admitted)
        }
    }

    static func claim(_ here: Here, generation: Int64, _ urgency: EngineUrgency) throws -> RoomClaim {
        var need = EngineNeed(own: .mebibytes(here.need))
        if here.base > 0 { need.mapped = [Digest.of([1]): .mebibytes(here.base)] }
        return RoomClaim(
            key: .init(slot: try SlotName(here.slot), generation: generation), need: need,
            standing: SlotStanding(start: here.start, priority: here.priority), urgency: urgency)
    }
}

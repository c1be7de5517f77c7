import AgentEngine
import MartletTypes
import TestSupport
import Testing

/// A device in the simulation: slots that are asked at random, engines that start, answer, and go for one another.
private struct RoomWorld {
    struct Slot {
        var claim: RoomClaim
        /// Requests that wait, by when they came.
        var waiting: [Int] = []
        /// When its open answers are over.
        var busyUntil = 0
        var lastUse = 0
        /// When its engine is ready; nil where it has none.
        var readyAt: Int?
        var answered = 0
        var displaced = 0
    }

    static let minResidence = 10
    static let maxPark = 30

    var ledger: RoomLedger
    var slots: [Slot]
    var tick = 0
    var refused = 0
    var violations: [String] = []
    private let start = ContinuousClock.now
    let budget: ByteCount

    init(_ slots: [RoomClaim], budget: Int64) {
        self.budget = .mebibytes(budget)
        ledger = RoomLedger(budget: self.budget, minResidence: .seconds(Self.minResidence))
        self.slots = slots.map { Slot(claim: $0) }
    }

    private var now: ContinuousClock.Instant { start + .seconds(tick) }

    private func usage(_ name: SlotName) -> RoomLedger.Usage {
        guard let slot = slots.first(where: { $0.claim.key.slot == name }) else { return .init(idle: .zero) }
        let isBusy = slot.busyUntil > tick || !slot.waiting.isEmpty
        return .init(idle: isBusy ? nil : .seconds(tick - slot.lastUse))
    }

    /// One second: requests come to the slots named, engines get ready, answer, and are started.
    mutating func step(asked: Set<Int>, answerSeconds: Int, loadSeconds: Int) {
        tick += 1
        for index in slots.indices {
            if asked.contains(index) { slots[index].waiting.append(tick) }
            let late = slots[index].waiting.filter { tick - $0 > Self.maxPark }.count
            refused += late
            slots[index].waiting.removeAll { tick - $0 > Self.maxPark }
            if let ready = slots[index].readyAt, ready == tick { ledger.ready(slots[index].claim.key, now: now) }
            if let ready = slots[index].readyAt, ready <= tick, !slots[index].waiting.isEmpty {
                slots[index].answered += slots[index].waiting.count
                slots[index].waiting = []
                slots[index].busyUntil = tick + answerSeconds
                slots[index].lastUse = slots[index].busyUntil
            }
        }
        for index in slots.indices where slots[index].readyAt == nil && !slots[index].waiting.isEmpty {
            ask(index, loadSeconds)
        }
        for slot in slots where slot.readyAt == nil && slot.waiting.isEmpty { ledger.giveUp(slot.claim.key) }
        check()
    }

    private mutating func ask(_ index: Int, _ loadSeconds: Int) {
        let world = self
        let key = slots[index].claim.key
        switch ledger.claim(slots[index].claim, now: now, usage: { world.usage($0) }) {
        case .admitted: slots[index].readyAt = tick + loadSeconds
        case .wait: return
        case .displace(let victims):
            var stayed: Set<RoomClaim.Key> = []
            for victim in victims {
                guard let other = slots.firstIndex(where: { $0.claim.key == victim.key }) else { continue }
                // New requests wait; those that are open longer than anybody waits for them keep the engine.
                guard slots[other].busyUntil - tick <= 5 else {
                    stayed.insert(victim.key)
                    continue
                }
                judge(slots[other], for: slots[index].claim)
                slots[other].readyAt = nil
                slots[other].busyUntil = 0
                slots[other].displaced += 1
                ledger.leave(victim.key)
            }
            if ledger.settle(key, stayed: stayed, now: now) { slots[index].readyAt = tick + loadSeconds }
        }
    }

    private mutating func judge(_ victim: Slot, for claim: RoomClaim) {
        if victim.claim.standing.isPinned {
            violations.append("\(tick): \(victim.claim.key.slot) always runs, and went")
        }
        guard let ready = victim.readyAt, ready <= tick else {
            violations.append("\(tick): \(victim.claim.key.slot) went while it started")
            return
        }
        if tick - ready < Self.minResidence, !claim.standing.isPinned {
            violations.append("\(tick): \(victim.claim.key.slot) went after \(tick - ready) s")
        }
        if victim.busyUntil > tick, !claim.standing.isPinned,
            victim.claim.standing.priority > claim.standing.priority
        {
            violations.append("\(tick): busy \(victim.claim.key.slot) went for one of lower priority")
        }
    }

    private mutating func check() {
        let running = slots.filter { $0.readyAt != nil }
        let taken = EngineNeed.together(running.map(\.claim.need))
        if taken > budget { violations.append("\(tick): \(taken) of \(budget) taken") }
        if ledger.taken > budget { violations.append("\(tick): \(ledger.taken) of \(budget) given") }
    }
}

/// What holds whatever happens.
@Suite("Room in memory over a long time")
struct RoomWorldTests {
    @Test("The budget, residence and the pinned hold over random histories", arguments: 0..<40)
    func promises(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let count = Int.random(in: 2...7, using: &random)
        var claims: [RoomClaim] = []
        for number in 0..<count {
            let isPinned = number == 0 && Bool.random(using: &random)
            var need = EngineNeed(own: .mebibytes(.random(in: 5...(isPinned ? 30 : 70), using: &random)))
            if Bool.random(using: &random) {
                need.mapped[Digest.of([UInt8.random(in: 0...1, using: &random)])] = .mebibytes(20)
            }
            claims.append(
                RoomClaim(
                    key: .init(slot: try SlotName("s\(number)"), generation: 1), need: need,
                    standing: SlotStanding(
                        start: isPinned ? .always : .ifRoom, priority: .random(in: 0...2, using: &random)),
                    urgency: .demand))
        }
        var world = RoomWorld(claims, budget: 100)
        for _ in 0..<2000 {
            let asked = Set((0..<count).filter { _ in Int.random(in: 0..<8, using: &random) == 0 })
            world.step(
                asked: asked, answerSeconds: .random(in: 0...8, using: &random),
                loadSeconds: .random(in: 1...4, using: &random))
        }
        #expect(world.violations.isEmpty, "seed \(seed): \(world.violations.prefix(3))")
        // Where all can have room in turn, none starves: each was answered again and again.
        let hasPinned = claims.contains(where: \.standing.isPinned)
        if !hasPinned, Set(claims.map(\.standing.priority)).count == 1 {
            for slot in world.slots { #expect(slot.answered > 20, "seed \(seed): \(slot.claim.key.slot)") }
        }
    }

    @Test("Two slots that displace one another take turns of at least the residence, and both are answered")
    func turns() throws {
        let claims = try ["a", "b"].map { name in
            RoomClaim(
                key: .init(slot: try SlotName(name), generation: 1), need: EngineNeed(own: .mebibytes(80)),
                standing: SlotStanding(), urgency: .demand)
        }
        var world = RoomWorld(claims, budget: 100)
        for _ in 0..<3000 { world.step(asked: [0, 1], answerSeconds: 1, loadSeconds: 2) }
        #expect(world.violations.isEmpty, "\(world.violations.prefix(3))")
        let turns = world.slots.map(\.displaced).reduce(0, +)
        // A turn is the load and the residence at least: no faster than that, and no one keeps it for ever.
        #expect(turns > 100 && turns <= 3000 / (RoomWorld.minResidence + 2) + 1, "\(turns) turns")
        // All were answered within the longest wait: none was refused, but for the last seconds.
        #expect(world.refused == 0)
        for slot in world.slots { #expect(slot.answered + slot.waiting.count == 3000) }
    }
}

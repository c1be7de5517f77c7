internal import MartletTypes

/// The rules of routes, parking and draining, without I/O: each call says what follows from it.
struct RouteTable {
    /// One request at the gateway, until it is answered.
    typealias RequestID = UInt64

    /// A generation of a slot.
    struct Generation: Hashable {
        let slot: SlotName
        let generation: Int
    }

    /// A route and how often the slot's route has been set: tells whether a failed request has somewhere new to go.
    struct Target: Sendable, Equatable {
        let route: GatewayRoute
        let epoch: Int
    }

    /// What becomes of a request that asks to be sent.
    enum Admission: Equatable {
        /// Send it there. It counts as in flight until `finished`.
        case forward(Target)
        /// It waits until it is among those that `release` names.
        case wait
        /// The slot's queue is full.
        case queueFull
        /// There is no such slot.
        case unknown
    }

    /// One answer that is open.
    struct Open: Equatable {
        let generation: Generation
        /// Whether a byte of it has reached the client.
        var hasBegun = false
    }

    private struct Slot {
        var route: GatewayRoute?
        var epoch = 0
        var isParked = false
        var queue: [RequestID] = []
    }

    private let queueBound: Int
    private let queueBytes: Int
    private var slots: [SlotName: Slot] = [:]
    private var waitingBytes: [RequestID: Int] = [:]
    private var waitingTotal = 0
    private(set) var open: [RequestID: Open] = [:]

    init(queueBound: Int, queueBytes: Int) {
        self.queueBound = queueBound
        self.queueBytes = queueBytes
    }

    /// The slots, each with whether it serves now.
    var slotStates: [(slot: SlotName, isServing: Bool)] {
        slots.sorted { $0.key < $1.key }.map { ($0.key, $0.value.route != nil && !$0.value.isParked) }
    }

    func route(of slot: SlotName) -> GatewayRoute? { slots[slot]?.route }

    /// Whether requests of the slot would be sent at once.
    func isParked(_ slot: SlotName) -> Bool { slots[slot].map { $0.isParked || $0.route == nil } ?? false }

    /// A request asks to be sent. `byteCount` is what it holds in memory if it has to wait.
    mutating func admit(_ request: RequestID, to slot: SlotName, byteCount: Int) -> Admission {
        guard var state = slots[slot] else { return .unknown }
        if let route = state.route, !state.isParked {
            open[request] = Open(generation: Generation(slot: slot, generation: route.generation))
            return .forward(Target(route: route, epoch: state.epoch))
        }
        guard state.queue.count < queueBound, waitingTotal + byteCount <= queueBytes else { return .queueFull }
        state.queue.append(request)
        slots[slot] = state
        waitingBytes[request] = byteCount
        waitingTotal += byteCount
        return .wait
    }

    /// A request that waited goes away. Returns false where it was not waiting.
    mutating func leave(_ request: RequestID, slot: SlotName) -> Bool {
        guard let index = slots[slot]?.queue.firstIndex(of: request) else { return false }
        slots[slot]?.queue.remove(at: index)
        forget(request)
        return true
    }

    /// The first byte of an answer has reached its client: it can no longer be asked for again.
    mutating func begun(_ request: RequestID) { open[request]?.hasBegun = true }

    /// A request is no longer with an engine. Returns its generation when that has become empty by it.
    mutating func finished(_ request: RequestID) -> Generation? {
        guard let ended = open.removeValue(forKey: request) else { return nil }
        return inFlight(ended.generation) == 0 ? ended.generation : nil
    }

    /// Requests that are with an engine of that generation.
    func inFlight(_ generation: Generation) -> Int { open.values.count { $0.generation == generation } }

    /// Whether a request of the slot is with an engine or waits for one.
    func isBusy(_ slot: SlotName) -> Bool {
        slots[slot].map { !$0.queue.isEmpty } ?? false || open.values.contains { $0.generation.slot == slot }
    }

    /// The slot's next requests go to `route`. Returns those that may be sent now.
    mutating func set(_ route: GatewayRoute) -> [RequestID] {
        slots[route.slot, default: Slot()].route = route
        slots[route.slot]?.epoch += 1
        return release(route.slot)
    }

    /// The slot's next requests wait.
    mutating func park(_ slot: SlotName) { slots[slot, default: Slot()].isParked = true }

    /// Requests of the slot wait no more. Returns those that may be sent now, in the order they came.
    mutating func unpark(_ slot: SlotName) -> [RequestID] {
        slots[slot]?.isParked = false
        return release(slot)
    }

    /// The slot is no more. Returns those that waited for it.
    mutating func remove(_ slot: SlotName) -> [RequestID] {
        guard let state = slots.removeValue(forKey: slot) else { return [] }
        for request in state.queue { forget(request) }
        return state.queue
    }

    private mutating func release(_ slot: SlotName) -> [RequestID] {
        guard var state = slots[slot], state.route != nil, !state.isParked else { return [] }
        let released = state.queue
        state.queue = []
        slots[slot] = state
        for request in released { forget(request) }
        return released
    }

    private mutating func forget(_ request: RequestID) {
        waitingTotal -= waitingBytes.removeValue(forKey: request) ?? 0
    }
}

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
        /// Waiting would help nothing.
        case refused(WaitNotice)
        /// There is no such slot.
        case unknown
    }

    /// A slot as clients see it.
    struct SlotState: Equatable {
        let slot: SlotName
        /// Whether requests are sent at once.
        let isServing: Bool
        /// Whether its engine was ended and a request starts it.
        let isResting: Bool
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
        var isResting = false
        var notice: WaitNotice?
        var queue: [RequestID] = []
        /// Those that waited and may be sent now, until they ask again.
        var returning: Set<RequestID> = []
        /// Whether anybody waits, or is on the way back from it.
        var isAwaited: Bool { !queue.isEmpty || !returning.isEmpty }
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
    var slotStates: [SlotState] {
        slots.sorted { $0.key < $1.key }.map { slot, state in
            SlotState(slot: slot, isServing: state.route != nil && !state.isParked, isResting: state.isResting)
        }
    }

    func route(of slot: SlotName) -> GatewayRoute? { slots[slot]?.route }

    /// Whether requests of the slot would be sent at once.
    func isParked(_ slot: SlotName) -> Bool { slots[slot].map { $0.isParked || $0.route == nil } ?? false }

    /// A request asks to be sent. `byteCount` is what it holds in memory if it has to wait.
    mutating func admit(_ request: RequestID, to slot: SlotName, byteCount: Int) -> Admission {
        slots[slot]?.returning.remove(request)
        guard var state = slots[slot] else { return .unknown }
        if let route = state.route, !state.isParked {
            open[request] = Open(generation: Generation(slot: slot, generation: route.generation))
            return .forward(Target(route: route, epoch: state.epoch))
        }
        if let notice = state.notice, notice.isHopeless { return .refused(notice) }
        guard state.queue.count < queueBound, waitingTotal + byteCount <= queueBytes else { return .queueFull }
        state.queue.append(request)
        slots[slot] = state
        waitingBytes[request] = byteCount
        waitingTotal += byteCount
        return .wait
    }

    /// A request that waited goes away. Returns false where it was not waiting.
    mutating func leave(_ request: RequestID, slot: SlotName) -> Bool {
        slots[slot]?.returning.remove(request)
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

    /// Whether any request is with an engine or waits for one.
    var isBusy: Bool { !open.isEmpty || slots.values.contains(where: \.isAwaited) }

    /// Whether a request of the slot is with an engine or waits for one.
    func isBusy(_ slot: SlotName) -> Bool {
        slots[slot]?.isAwaited ?? false || open.values.contains { $0.generation.slot == slot }
    }

    /// The slot's next requests go to `route`. Returns those that may be sent now.
    mutating func set(_ route: GatewayRoute) -> [RequestID] {
        slots[route.slot, default: Slot()].route = route
        slots[route.slot]?.epoch += 1
        return release(route.slot)
    }

    /// The slot's engine was ended until a request comes: requests wait. Returns whether one does already.
    mutating func rest(_ slot: SlotName) -> Bool {
        slots[slot, default: Slot()].isParked = true
        slots[slot]?.isResting = true
        return isWaitedFor(slot)
    }

    /// Whether the slot's engine runs only once a request comes.
    func isResting(_ slot: SlotName) -> Bool { slots[slot]?.isResting ?? false }

    /// Whether requests of the slot wait.
    func isWaitedFor(_ slot: SlotName) -> Bool { slots[slot].map { !$0.queue.isEmpty } ?? false }

    /// Why requests of the slot wait, until they do not any more. Returns those that are to be told of it at once.
    mutating func note(_ notice: WaitNotice?, of slot: SlotName) -> [RequestID] {
        guard var state = slots[slot], state.isParked || state.route == nil else { return [] }
        state.notice = notice
        let told = notice?.isHopeless == true ? state.queue : []
        if !told.isEmpty { state.queue = [] }
        slots[slot] = state
        for request in told { forget(request) }
        return told
    }

    func notice(of slot: SlotName) -> WaitNotice? { slots[slot]?.notice }

    /// The slot's next requests wait.
    mutating func park(_ slot: SlotName) { slots[slot, default: Slot()].isParked = true }

    /// Requests of the slot wait no more. Returns those that may be sent now, in the order they came.
    mutating func unpark(_ slot: SlotName) -> [RequestID] {
        slots[slot]?.isParked = false
        slots[slot]?.isResting = false
        slots[slot]?.notice = nil
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
        state.returning.formUnion(released)
        slots[slot] = state
        for request in released { forget(request) }
        return released
    }

    private mutating func forget(_ request: RequestID) {
        waitingTotal -= waitingBytes.removeValue(forKey: request) ?? 0
    }
}

/// Why a slot's requests wait, and what those are told that wait too long.
package struct WaitNotice: Sendable, Hashable {
    /// A sentence for clients.
    package var message: String
    /// When to come again; nil is after the longest wait.
    package var retryAfterSeconds: Int?
    /// Whether waiting would help nothing: requests are refused at once.
    package var isHopeless: Bool

    package init(_ message: String, retryAfterSeconds: Int? = nil, isHopeless: Bool = false) {
        self.message = message
        self.retryAfterSeconds = retryAfterSeconds
        self.isHopeless = isHopeless
    }
}

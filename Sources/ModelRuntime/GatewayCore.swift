internal import MartletTypes
internal import NIOCore
internal import Synchronization
internal import Telemetry

/// What the gateway's connections share: the routes, the open requests, who waits for a drain, the measurements.
///
/// Behind one lock, so that a route changes between two requests and the caller need not wait for the event loop.
final class GatewayCore: Sendable {
    /// How a request is told, from any thread, that something has changed for it.
    struct Handle: Sendable {
        /// It need not wait any more, or its slot is gone: it shall ask again.
        let retry: @Sendable () -> Void
        /// Its engine is about to be ended.
        let cut: @Sendable () -> Void
    }

    private struct State {
        var table: RouteTable
        var handles: [RouteTable.RequestID: Handle] = [:]
        var nextRequest: RouteTable.RequestID = 0
        var waiters: [RouteTable.Generation: [UInt64: CheckedContinuation<Bool, Never>]] = [:]
        var measurements: GatewayMeasurements
        var taps: [SlotName: ShadowTap] = [:]
        /// Who starts the engine of a slot that rests, when a request comes.
        var demands: [SlotName: @Sendable () -> Void] = [:]
        /// When a slot's last request came or ended.
        var activity: [SlotName: ContinuousClock.Instant] = [:]
    }

    let configuration: GatewayConfiguration
    /// Connections to engines that wait for the next request; on the event loop alone.
    let pool = NIOLoopBoundBox.makeBoxSendingValue(EnginePool(loop: RuntimeLoop.loop), eventLoop: RuntimeLoop.loop)
    private let hearing = NIOLoopBoundBox.makeBoxSendingValue(EngineHearing(), eventLoop: RuntimeLoop.loop)
    private let clock: Clock
    private let made = ContinuousClock.now
    private let state: Mutex<State>

    init(configuration: GatewayConfiguration, clock: @escaping Clock) {
        self.configuration = configuration
        self.clock = clock
        let table = RouteTable(
            queueBound: configuration.parkedRequests, queueBytes: Int(configuration.parkedBytes.bytes))
        state = Mutex(State(table: table, measurements: GatewayMeasurements(start: clock())))
    }

    // MARK: Routes

    func set(_ route: GatewayRoute) {
        retry { $0.set(route) }
        leaveIdle(route.slot)
    }

    func park(_ slot: SlotName) {
        state.withLock { $0.table.park(slot) }
        leaveIdle(slot)
    }

    func unpark(_ slot: SlotName) { retry { $0.unpark(slot) } }

    func remove(_ slot: SlotName) {
        state.withLock { $0.demands[slot] = nil }
        retry { $0.remove(slot) }
        leaveIdle(slot)
    }

    /// Requests of the slot wait, and each calls `demand`; one that waits already does so now.
    func rest(_ slot: SlotName, demand: @escaping @Sendable () -> Void) {
        let isWaitedFor = state.withLock { state in
            state.demands[slot] = demand
            return state.table.rest(slot)
        }
        if isWaitedFor { demand() }
        leaveIdle(slot)
    }

    func isWaitedFor(_ slot: SlotName) -> Bool { state.withLock { $0.table.isWaitedFor(slot) } }

    func note(_ notice: WaitNotice?, of slot: SlotName) { retry { $0.note(notice, of: slot) } }

    func notice(of slot: SlotName) -> WaitNotice? { state.withLock { $0.table.notice(of: slot) } }

    private func retry(_ change: (inout RouteTable) -> [RouteTable.RequestID]) {
        let handles = state.withLock { state in change(&state.table).compactMap { state.handles[$0] } }
        for handle in handles { handle.retry() }
    }

    var slotStates: [RouteTable.SlotState] { state.withLock { $0.table.slotStates } }

    /// Whether a request that failed at `target` would be sent, or parked, differently now.
    func hasChanged(since target: RouteTable.Target) -> Bool {
        !leads(to: target.route)
    }

    // MARK: Connections to engines

    /// Whether the slot's next requests go there at once: only then a connection may wait for one.
    func leads(to route: GatewayRoute) -> Bool {
        state.withLock { !$0.table.isParked(route.slot) && $0.table.route(of: route.slot) == route }
    }

    /// Closes the idle connections of a generation, or all, before its engine is ended: it would wait for them.
    func closeIdle(_ generation: RouteTable.Generation? = nil) async {
        await withCheckedContinuation { continuation in
            RuntimeLoop.loop.execute { [pool, hearing] in
                if let generation {
                    pool.value.close(generation.slot, generation: generation.generation)
                    hearing.value.forget(generation)
                } else {
                    pool.value.closeAll()
                }
                continuation.resume()
            }
        }
    }

    /// Closes the idle connections of a slot whose requests go elsewhere, or wait, from now on.
    private func leaveIdle(_ slot: SlotName) { RuntimeLoop.loop.execute { [pool] in pool.value.close(slot) } }

    // MARK: Engines that hang

    /// An engine sent something. On the event loop, as is the next.
    func heard(_ route: GatewayRoute) { hearing.value.heard(route.served) }

    /// An answer has been silent for as long as it may be.
    func silent(_ route: GatewayRoute) {
        hearing.value.silent(route.served, for: TimeAmount(configuration.engineSilence))
    }

    /// Whether an engine of that generation was found to hang since the last call, and has sent nothing since.
    func takeHung(_ generation: RouteTable.Generation) async -> Bool {
        await withCheckedContinuation { continuation in
            RuntimeLoop.loop.execute { [hearing] in
                continuation.resume(returning: hearing.value.takeHung(generation))
            }
        }
    }

    // MARK: Requests

    func register(_ handle: (RouteTable.RequestID) -> Handle) -> RouteTable.RequestID {
        let request = state.withLock { state in
            state.nextRequest += 1
            return state.nextRequest
        }
        let handle = handle(request)
        state.withLock { $0.handles[request] = handle }
        return request
    }

    func admit(_ request: RouteTable.RequestID, to slot: SlotName, byteCount: Int) -> RouteTable.Admission {
        var demand: (@Sendable () -> Void)?
        let (admission, tap, inFlight) = state.withLock { state -> (RouteTable.Admission, ShadowTap?, Int) in
            state.activity[slot] = .now
            let admission = state.table.admit(request, to: slot, byteCount: byteCount)
            if admission == .wait, state.table.isResting(slot) { demand = state.demands[slot] }
            guard let tap = state.taps[slot], case .forward(let target) = admission else { return (admission, nil, 0) }
            let generation = RouteTable.Generation(slot: slot, generation: target.route.generation)
            return (admission, tap, state.table.inFlight(generation))
        }
        tap?.notice(inFlight: inFlight)
        demand?()
        return admission
    }

    /// Keeps the answer of a request that a candidate is to be asked too; nil where it is not.
    func recorder(for request: InferenceRequest) -> ShadowRecorder? {
        guard let tap = state.withLock({ $0.taps[request.slot] }), tap.chooses(request) else { return nil }
        return ShadowRecorder(tap, request)
    }

    /// Takes the place of the slot's tap; nil takes it away, where it is still `former`.
    func setTap(_ tap: ShadowTap?, slot: SlotName, former: ShadowTap? = nil) {
        state.withLock { state in
            guard former == nil || state.taps[slot] === former else { return }
            state.taps[slot] = tap
        }
    }

    /// For how long the slot has had no request; nil while it has one.
    func idleTime(_ slot: SlotName) -> Duration? {
        state.withLock { state in
            guard !state.table.isBusy(slot) else { return nil }
            return ContinuousClock.now - (state.activity[slot] ?? made)
        }
    }

    func begun(_ request: RouteTable.RequestID) { state.withLock { $0.table.begun(request) } }

    /// The request is with no engine any more; those who wait for its generation to be empty are told.
    func finished(_ request: RouteTable.RequestID) {
        let waiters = state.withLock { state -> [CheckedContinuation<Bool, Never>] in
            guard let emptied = state.table.finished(request) else { return [] }
            return state.waiters.removeValue(forKey: emptied).map { Array($0.values) } ?? []
        }
        for waiter in waiters { waiter.resume(returning: true) }
    }

    /// The request is over, whatever it was doing.
    func forget(_ request: RouteTable.RequestID, slot: SlotName) {
        finished(request)
        state.withLock { state in
            state.activity[slot] = .now
            _ = state.table.leave(request, slot: slot)
            state.handles[request] = nil
        }
    }

    /// Whether any request is with an engine or waits for one.
    var isBusy: Bool { state.withLock { $0.table.isBusy } }

    // MARK: Draining

    func inFlight(_ generation: RouteTable.Generation) -> Int { state.withLock { $0.table.inFlight(generation) } }

    /// Whether a moment comes within `time` in which no request is with an engine of that generation. Cancelling the
    /// task ends the waiting.
    func isEmptied(_ generation: RouteTable.Generation, within time: Duration) async -> Bool {
        await withTaskGroup(of: Bool.self) { group in
            group.addTask { await self.waitUntilEmpty(generation, orCancelled: true) }
            group.addTask {
                // A cancelled sleep ends the waiting, which is what the caller of a cancelled task wants.
                try? await Task.sleep(for: time)
                return false
            }
            var isEmptied = false
            for await isSo in group {
                // A moment that comes as the time ends counts too.
                if isSo { isEmptied = true }
                group.cancelAll()
            }
            return isEmptied
        }
    }

    /// Returns true when no request is with an engine of that generation, or, if so wished, false when the task is
    /// cancelled first.
    @discardableResult
    func waitUntilEmpty(_ generation: RouteTable.Generation, orCancelled: Bool = false) async -> Bool {
        let waiter = state.withLock { state in
            state.nextRequest += 1
            return state.nextRequest
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isEmpty: Bool? = state.withLock { state in
                    guard state.table.inFlight(generation) > 0 else { return true }
                    if orCancelled, Task.isCancelled { return false }
                    state.waiters[generation, default: [:]][waiter] = continuation
                    return nil
                }
                if let isEmpty { continuation.resume(returning: isEmpty) }
            }
        } onCancel: {
            guard orCancelled else { return }
            state.withLock { $0.waiters[generation]?.removeValue(forKey: waiter) }?.resume(returning: false)
        }
    }

    /// Cuts what is still open on that generation. Returns how many answers had begun.
    func cut(_ generation: RouteTable.Generation) -> Int {
        let (handles, begun) = state.withLock { state -> ([Handle], Int) in
            let open = state.table.open.filter { $0.value.generation == generation }
            return (open.keys.compactMap { state.handles[$0] }, open.values.count(where: \.hasBegun))
        }
        for handle in handles { handle.cut() }
        return begun
    }

    // MARK: Measurements

    /// Changes the measurements of a route; of the slot alone where no route had the chance.
    func measure(_ slot: SlotName, _ route: GatewayRoute?, _ change: (inout GatewayInterval) -> Void) {
        state.withLock { state in
            let current = route ?? state.table.route(of: slot)
            state.measurements.change(slot, current?.generation ?? 0, current?.release, change)
        }
    }

    func countCrash(_ slot: SlotName, _ generation: Int, _ release: ReleaseLabel) {
        state.withLock { $0.measurements.change(slot, generation, release) { $0.crashes += 1 } }
    }

    /// What was measured since the last call.
    func takeMeasurements() -> [GatewayInterval] {
        let now = clock()
        return state.withLock { $0.measurements.take(at: now) }
    }
}

/// The intervals that are being measured, one for each generation that had something to do.
struct GatewayMeasurements {
    private struct Key: Hashable {
        let slot: SlotName
        let generation: Int
        let release: ReleaseLabel
    }

    private var start: Timestamp
    private var intervals: [Key: GatewayInterval] = [:]

    init(start: Timestamp) { self.start = start }

    mutating func change(
        _ slot: SlotName, _ generation: Int, _ release: ReleaseLabel?, _ change: (inout GatewayInterval) -> Void
    ) {
        let key = Key(slot: slot, generation: generation, release: release ?? ReleaseLabel(path: "", digest: ""))
        let new = GatewayInterval(
            slot: slot, generation: generation, release: key.release, start: start, end: start)
        change(&intervals[key, default: new])
    }

    /// The intervals, ended now, in the order of slot and generation; counting begins anew.
    mutating func take(at now: Timestamp) -> [GatewayInterval] {
        let taken = intervals.values.sorted { ($0.slot, $0.generation) < ($1.slot, $1.generation) }
        intervals = [:]
        start = max(start, now)
        return taken.map { interval in
            var interval = interval
            interval.end = max(interval.start, now)
            return interval
        }
    }
}

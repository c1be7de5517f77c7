package import MartletTypes
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import Synchronization
package import Telemetry

/// One local OpenAI-compatible port for all slots of a device. Its routes change between two requests.
///
/// Nothing of what is asked or answered is logged or kept.
package final class Gateway: Sendable {
    private enum Binding {
        case pending([CheckedContinuation<Int, any Error>])
        case bound(Int)
        case failed(RuntimeError)
    }

    private let configuration: GatewayConfiguration
    private let core: GatewayCore
    private let binding = Mutex(Binding.pending([]))

    /// A gateway that listens when `run` is called; routes may be set before. `clock` dates the measurements.
    package init(configuration: GatewayConfiguration, clock: @escaping Clock) {
        self.configuration = configuration
        core = GatewayCore(configuration: configuration, clock: clock)
    }

    /// Listens and serves until the task is cancelled; then takes no more connections and lets open answers end within
    /// the drain deadline. Throws `keysRequired`, `portInUse`, `socketPathTooLong` and `cannotListen`. Call once.
    package func run() async throws {
        let listener = GatewayListener(configuration: configuration, core: core)
        do throws(RuntimeError) {
            let port = try await listener.listen()
            settle(.bound(port))
        } catch {
            settle(.failed(error))
            throw error
        }
        // Nothing is ever sent: the loop ends when the task is cancelled.
        let (never, continuation) = AsyncStream.makeStream(of: Never.self)
        for await _ in never {}
        continuation.finish()
        await listener.stop(within: configuration.drainDeadline)
        await core.closeIdle()
    }

    /// The TCP port, once it is known. Throws what `run` throws when it cannot listen.
    package var boundPort: Int {
        get async throws {
            try await withCheckedThrowingContinuation { continuation in
                let result: Result<Int, any Error>? = binding.withLock { binding in
                    switch binding {
                    case .pending(let waiting):
                        binding = .pending(waiting + [continuation])
                        return nil
                    case .bound(let port): return .success(port)
                    case .failed(let error): return .failure(error)
                    }
                }
                if let result { continuation.resume(with: result) }
            }
        }
    }

    private func settle(_ outcome: Binding) {
        let waiting = binding.withLock { binding -> [CheckedContinuation<Int, any Error>] in
            guard case .pending(let waiting) = binding else { return [] }
            binding = outcome
            return waiting
        }
        for continuation in waiting {
            switch outcome {
            case .bound(let port): continuation.resume(returning: port)
            case .failed(let error): continuation.resume(throwing: error)
            case .pending: break
            }
        }
    }

    // MARK: Routes

    /// Sends the slot's next requests to this engine. Requests under way stay where they are. A parked slot stays
    /// parked. Where the engine does not embed, the gateway answers such requests by itself. With `keepsAlive` a few
    /// connections to it are kept between two requests.
    package func setRoute(
        slot: SlotName, generation: Int, release: ReleaseLabel, socketPath: String, embeds: Bool = false,
        speaks: EngineProtocol = .openai, keepsAlive: Bool = false
    ) async {
        core.set(
            GatewayRoute(
                slot: slot, generation: generation, release: release, socketPath: socketPath, embeds: embeds,
                speaks: speaks, keepsAlive: keepsAlive))
    }

    /// Lets the slot's next requests wait, within the bounds; makes the slot known if it is not.
    package func park(_ slot: SlotName) async { core.park(slot) }

    /// Sends those that wait, in the order they came, where the slot's route goes now.
    package func unpark(_ slot: SlotName) async { core.unpark(slot) }

    /// Forgets the slot: requests for it, waiting ones too, get 404.
    package func removeRoute(_ slot: SlotName) async { core.remove(slot) }

    /// Waits until no request is with an engine of that generation, at most for `deadline`; then cuts what is left:
    /// answers that have begun are broken off and counted, others are asked for again on the slot's current route.
    /// Park the slot or set another route first, or new requests keep it busy. Cancelling ends the waiting at once.
    package func drain(_ slot: SlotName, generation: Int, deadline: Duration) async -> DrainResult {
        let key = RouteTable.Generation(slot: slot, generation: generation)
        let clock = ContinuousClock()
        let start = clock.now
        var cut = 0
        // Once empty it is done: what has come since is with another engine of the same generation.
        if await !core.isEmptied(key, within: deadline) {
            cut = core.cut(key)
            // A cut takes effect on the event loop, at once, whether or not this task is cancelled.
            await core.waitUntilEmpty(key)
        }
        await core.closeIdle(key)
        return DrainResult(cutStreams: cut, waited: clock.now - start)
    }

    /// Lets requests of the slot wait, and calls `onDemand` for each, at once where one waits already: the engine was
    /// ended until it is asked something. Another route, or `unpark`, ends that.
    package func rest(_ slot: SlotName, onDemand: @escaping @Sendable () -> Void) { core.rest(slot, demand: onDemand) }

    /// Whether any request of any slot runs or waits now.
    package var isBusy: Bool { core.isBusy }

    /// Whether requests of the slot wait.
    package func isWaitedFor(_ slot: SlotName) -> Bool { core.isWaitedFor(slot) }

    /// Says why the slot's requests wait, for those that wait too long; forgotten once they need not any more.
    package func note(_ notice: WaitNotice?, of slot: SlotName) { core.note(notice, of: slot) }

    /// Waits for the answers of a generation and cuts none. Park the slot first. Returns whether all are over.
    package func settle(_ slot: SlotName, generation: Int, within time: Duration) async -> Bool {
        let key = RouteTable.Generation(slot: slot, generation: generation)
        _ = await core.isEmptied(key, within: time)
        await core.closeIdle(key)
        return core.inFlight(key) == 0
    }

    /// Requests that are with an engine of that generation now.
    package func inFlight(_ slot: SlotName, generation: Int) async -> Int {
        core.inFlight(RouteTable.Generation(slot: slot, generation: generation))
    }

    /// Whether an engine of that generation was found to hang since the last call: an answer was silent as long as it
    /// may be, and no other brought anything meanwhile or since.
    package func takeHung(_ slot: SlotName, generation: Int) async -> Bool {
        await core.takeHung(RouteTable.Generation(slot: slot, generation: generation))
    }

    /// What was measured since the last call, one interval for each generation that had something to do.
    package func takeMeasurements() async -> [GatewayInterval] { core.takeMeasurements() }

    // MARK: What stands behind the slots

    func openTap(_ tap: ShadowTap, slot: SlotName) { core.setTap(tap, slot: slot) }

    func closeTap(_ tap: ShadowTap, slot: SlotName) {
        tap.close()
        core.setTap(nil, slot: slot, former: tap)
    }

    /// For how long the slot has had no request; nil while one is being answered or waits.
    package func idleTime(_ slot: SlotName) -> Duration? { core.idleTime(slot) }

    /// An engine of that generation ended by itself.
    package func countCrash(slot: SlotName, generation: Int, release: ReleaseLabel) {
        core.countCrash(slot, generation, release)
    }
}

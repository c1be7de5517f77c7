package import Logging
package import MartletAPI
internal import ServiceLifecycle

/// Tells the registry what the device is and has: at start, when something changed, and from time to time.
package struct InventorySender: Service {
    /// To be rung when what a slot runs or serves changed.
    package let wake: WakeSignal
    private let peer: any UplinkPeer
    private let inventory: @Sendable () async throws -> Inventory
    private let random: @Sendable () -> Double
    private let logger: Logger

    package init(
        peer: any UplinkPeer, wake: WakeSignal = WakeSignal(),
        random: @escaping @Sendable () -> Double = { .random(in: 0...1) }, logger: Logger,
        inventory: @escaping @Sendable () async throws -> Inventory
    ) {
        self.peer = peer
        self.wake = wake
        self.random = random
        self.logger = logger
        self.inventory = inventory
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            var backoff = Backoff()
            while !Task.isCancelled {
                if let pause = await send(&backoff) {
                    await Pause.take(min(pause, AgentLimits.firstPause))
                    await wake.wait(for: max(.zero, pause - AgentLimits.firstPause))
                } else {
                    await wake.wait(for: AgentLimits.inventoryInterval)
                }
            }
        }
    }

    /// Sends once; returns how long to pause where it did not succeed.
    func send(_ backoff: inout Backoff) async -> Duration? {
        do {
            try await peer.put(try await inventory())
            backoff.reset()
            return nil
        } catch {
            if Task.isCancelled { return .zero }
            let pause = backoff.next(random: random(), asked: UplinkFailure(error).asked)
            // A box may be offline for a month: the first failure is news, the others are not.
            logger.log(
                level: backoff.failures == 1 ? .warning : .debug, "inventory not sent",
                metadata: ["error": "\(ErrorSummary(error).message)", "again": "\(Pause.text(pause))"])
            return pause
        }
    }
}

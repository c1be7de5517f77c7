internal import ModelRuntime
internal import ServiceLifecycle

/// Keeps the agent small: what only its start, an installation or new metadata needed is let go of when that is over.
///
/// Without such work nothing is done: what an idle agent runs stays.
package struct Footprint: Service {
    /// Rung at such work; the start is the first.
    private let work: WakeSignal
    private let settle: Duration
    private let release: @Sendable () -> Bool

    /// `settle` is how long no more work must have come.
    package init(
        work: WakeSignal, settle: Duration = .seconds(5), release: @escaping @Sendable () -> Bool = IdleMemory.release
    ) {
        self.work = work
        self.settle = settle
        self.release = release
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                // A slot on its way through an installation rings often.
                while await work.wait(for: settle) {}
                guard !Task.isCancelled, release() else { return }
                await work.wait()
            }
        }
    }
}

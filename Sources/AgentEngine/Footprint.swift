internal import ModelRuntime
internal import ServiceLifecycle

/// Keeps the agent small: what its start, an installation, new metadata or a delivery of measurements needed is let go
/// of when that is over. Pages of code come back from the page cache, in microseconds, when they are used again.
///
/// Without such work nothing is done, nor while requests run.
package struct Footprint: Service {
    /// Rung at such work; the start is the first.
    private let work: WakeSignal
    private let settle: Duration
    private let isBusy: @Sendable () -> Bool
    private let release: @Sendable () -> Bool

    /// `settle` is how long no more work must have come; while `isBusy`, the next work is waited for.
    package init(
        work: WakeSignal, settle: Duration = .seconds(5), release: @escaping @Sendable () -> Bool = IdleMemory.release,
        isBusy: @escaping @Sendable () -> Bool = { false }
    ) {
        self.isBusy = isBusy
        self.work = work
        self.settle = settle
        self.release = release
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                // A slot on its way through an installation rings often.
                while await work.wait(for: settle) {}
                guard !Task.isCancelled else { return }
                if !isBusy(), !release() { return }
                await work.wait()
            }
        }
    }
}

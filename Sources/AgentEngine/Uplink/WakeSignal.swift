internal import Synchronization

/// Many ring, one waits. A ring while nobody waits is remembered, once.
package final class WakeSignal: Sendable {
    private struct State {
        var isRung = false
        var waiter: CheckedContinuation<Bool, Never>?
    }

    private let state = Mutex(State())

    package init() {}

    /// Wakes who waits, now or next.
    package func ring() {
        let waiter = state.withLock { state in
            let waiter = state.waiter
            state.waiter = nil
            state.isRung = waiter == nil
            return waiter
        }
        waiter?.resume(returning: true)
    }

    /// Returns true at a ring, false after `timeout` or when the task is cancelled. At most one task waits.
    @discardableResult
    package func wait(for timeout: Duration? = nil) async -> Bool {
        await withTaskGroup(of: Bool.self) { group in
            group.addTask { await self.waitForRing() }
            if let timeout {
                group.addTask {
                    await Pause.take(timeout)
                    return false
                }
            }
            var isRung = await group.next() ?? false
            group.cancelAll()
            // A ring at the last moment counts too.
            for await other in group where other { isRung = true }
            return isRung
        }
    }

    private func waitForRing() async -> Bool {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isRung: Bool? = state.withLock { state in
                    if state.isRung || Task.isCancelled {
                        defer { state.isRung = false }
                        return state.isRung
                    }
                    state.waiter = continuation
                    return nil
                }
                if let isRung { continuation.resume(returning: isRung) }
            }
        } onCancel: {
            state.withLock { state in
                defer { state.waiter = nil }
                return state.waiter
            }?.resume(returning: false)
        }
    }
}

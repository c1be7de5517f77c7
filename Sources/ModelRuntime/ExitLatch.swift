internal import Synchronization

/// Where any number of tasks wait for one engine's end.
package final class ExitLatch<Value: Sendable>: Sendable {
    private struct State {
        var value: Value?
        var next = 0
        var waiters: [Int: CheckedContinuation<Value?, Never>] = [:]
    }

    private let state = Mutex(State())

    package init() {}

    /// What was told; nil before.
    package var value: Value? { state.withLock(\.value) }

    /// Tells all who wait, now and later. The first call counts.
    package func open(_ value: Value) {
        let waiters = state.withLock { state in
            guard state.value == nil else { return [CheckedContinuation<Value?, Never>]() }
            state.value = value
            let waiters = Array(state.waiters.values)
            state.waiters = [:]
            return waiters
        }
        for waiter in waiters { waiter.resume(returning: value) }
    }

    /// Waits; nil where the waiting task is cancelled first.
    package func wait() async -> Value? {
        let number = state.withLock { state in
            state.next += 1
            return state.next
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let known: Value?? = state.withLock { state in
                    if let value = state.value { return .some(value) }
                    if Task.isCancelled { return .some(nil) }
                    state.waiters[number] = continuation
                    return nil
                }
                if let known { continuation.resume(returning: known) }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: number) }?.resume(returning: nil)
        }
    }

    /// Waits whether or not the task is cancelled.
    func waitUncancelled() async -> Value {
        let value: Value? = await withCheckedContinuation { continuation in
            let known: Value? = state.withLock { state in
                if let value = state.value { return value }
                state.next += 1
                state.waiters[state.next] = continuation
                return nil
            }
            if let known { continuation.resume(returning: known) }
        }
        guard let value else { preconditionFailure("only a cancelled wait ends without a value") }
        return value
    }

    /// Waits at most for `patience`; a cancelled task's patience is over at once.
    func wait(atMost patience: Duration) async -> Value? {
        await withTaskGroup(of: Value?.self) { group in
            group.addTask { await self.wait() }
            group.addTask {
                // A cancelled sleep cuts the patience short, which is what the caller of a cancelled task wants.
                try? await Task.sleep(for: patience)
                return nil
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            return first
        }
    }
}

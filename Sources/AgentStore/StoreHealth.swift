internal import Synchronization

/// Whether the data folder takes writes, as the last of them found; shared by all parts of the store.
///
/// A disk that takes none at the start suspends the store: it is read as it is, nothing is written or installed, and
/// `AgentStore.resume` ends that.
package final class StoreHealth: Sendable {
    private struct State {
        var trouble: AgentStoreError?
        var isSuspended = false
        var observer: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())

    package init() {}

    /// Why nothing is written; nil where the last write succeeded.
    package var trouble: AgentStoreError? { state.withLock { $0.trouble } }
    /// Whether the store was opened for reading alone and was not resumed yet.
    package var isSuspended: Bool { state.withLock { $0.isSuspended } }

    /// Calls `observer` whenever trouble begins, changes its kind, or ends; takes the place of an earlier one.
    package func observe(_ observer: @escaping @Sendable () -> Void) { state.withLock { $0.observer = observer } }

    /// The store is only read from now on.
    func suspend(_ error: AgentStoreError) {
        change { state in
            state.isSuspended = true
            state.trouble = error
        }
    }

    /// The store is written again.
    func resumed() {
        change { state in
            state.isSuspended = false
            state.trouble = nil
        }
    }

    /// A write failed; what is wrong with its content is no trouble of the disk.
    func failed(_ error: AgentStoreError) {
        let ofTheDisk: [AgentStoreError.Code] = [
            .readOnly, .diskFull, .storageFailed, .journalUnusable, .journalUnreadable,
        ]
        guard ofTheDisk.contains(error.reason) else { return }
        change { $0.trouble = error }
    }

    /// A write succeeded. In a suspended store that is no news: what was opened for reading stays so.
    func wrote() {
        change { state in
            if !state.isSuspended { state.trouble = nil }
        }
    }

    private func change(_ change: (inout State) -> Void) {
        let observer: (@Sendable () -> Void)? = state.withLock { state in
            let before = state.trouble?.reason
            change(&state)
            return state.trouble?.reason == before ? nil : state.observer
        }
        observer?()
    }
}

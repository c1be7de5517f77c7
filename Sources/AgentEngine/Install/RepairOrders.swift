package import AgentStore
package import MartletTypes
internal import Synchronization

/// Between the slots and the scrub: which generations do not serve and are to be looked at first, and whom to tell of
/// blobs that were put in place anew, because engines still have the damaged file open.
package final class RepairOrders: Sendable {
    let wake = WakeSignal()
    private let state = Mutex(State())

    private struct State {
        var suspects: [GenerationRecord] = []
        var isRoundAsked = false
        var observer: (@Sendable (Digest) async -> Void)?
    }

    package init() {}

    /// Looks at a generation's blobs as soon as possible: it does not serve.
    package func suspect(_ record: GenerationRecord) {
        state.withLock { state in
            if !state.suspects.contains(where: { $0.id == record.id }) { state.suspects.append(record) }
        }
        wake.ring()
    }

    /// Wants every file looked at soon.
    func askRound() {
        state.withLock { $0.isRoundAsked = true }
        wake.ring()
    }

    func takeRound() -> Bool {
        state.withLock { state in
            defer { state.isRoundAsked = false }
            return state.isRoundAsked
        }
    }

    /// Calls `observer` with each blob that was put in place anew; takes the place of an earlier one.
    package func onMended(_ observer: @escaping @Sendable (Digest) async -> Void) {
        state.withLock { $0.observer = observer }
    }

    func take() -> [GenerationRecord] {
        state.withLock { state in
            defer { state.suspects = [] }
            return state.suspects
        }
    }

    func mended(_ blob: Digest) async {
        let observer = state.withLock { $0.observer }
        await observer?(blob)
    }
}

internal import MartletTypes
internal import Synchronization

/// What a slot's driver has still to handle, the oldest first.
///
/// Where the disk takes no writes the driver stands still, and engines go on ending and being started: what they tell
/// is merged, and bounded. What a person or the registry decides is never dropped.
final class SlotInbox: Sendable {
    /// One thing to handle.
    enum Item: Sendable {
        case event(SlotEvent, WorkToken?)
        /// Reports that the journal did not take are to be tried again.
        case owing
    }

    private struct State {
        var items: [Item] = []
        var isClosed = false
    }

    private let state = Mutex(State())
    private let bell = WakeSignal()

    /// How much waits.
    var count: Int { state.withLock(\.items.count) }

    func put(_ item: Item) {
        state.withLock { state in
            guard !state.isClosed else { return }
            if case .event(let event, nil) = item {
                state.items.merge(event)
            } else {
                state.items.append(item)
            }
        }
        bell.ring()
    }

    /// Nothing is taken any more; what waits is still handed out.
    func close() {
        state.withLock { $0.isClosed = true }
        bell.ring()
    }

    /// The next, as soon as there is one; nil once it is closed and empty, or when the task is cancelled. For one task.
    func next() async -> Item? {
        while !Task.isCancelled {
            let (item, isClosed) = state.withLock { state in
                (state.items.isEmpty ? nil : state.items.removeFirst(), state.isClosed)
            }
            if item != nil || isClosed { return item }
            await bell.wait()
        }
        return nil
    }
}

extension [SlotInbox.Item] {
    /// Adds an event. Of what is only told, or is told again, the latest is enough.
    fileprivate mutating func merge(_ event: SlotEvent) {
        switch event {
        case .drained(let cut):
            let before = remove { if case .drained = $0 { true } else { false } }
            guard case .drained(let known)? = before else { break }
            return append(.event(.drained(cutStreams: known + cut), nil))
        case .engineLost(let id, _): remove { if case .engineLost(id, _) = $0 { true } else { false } }
        case .shadowProgress: remove { if case .shadowProgress = $0 { true } else { false } }
        case .tookBack: remove { $0 == event }
        case .engineRestarted:
            let known = self.count(where: { if case .event(.engineRestarted, nil) = $0 { true } else { false } })
            if known >= AgentLimits.owedReports { remove { if case .engineRestarted = $0 { true } else { false } } }
        default: break
        }
        append(.event(event, nil))
    }

    /// Takes out the oldest event of a kind that comes from no step at work.
    @discardableResult
    private mutating func remove(_ isMeant: (SlotEvent) -> Bool) -> SlotEvent? {
        for (index, item) in enumerated() {
            guard case .event(let event, nil) = item, isMeant(event) else { continue }
            remove(at: index)
            return event
        }
        return nil
    }
}

import MartletTypes
import RegistryStore
import Synchronization

/// Wakes parked polls and live pages when something changed.
///
/// Within one process it is a signal; across replicas a service will feed it from the change log's rows.
protocol ChangeFeed: Sendable {
    /// Begins to listen, before the caller looks at what it waits for, so that no change falls in between. `subjects`
    /// nil hears of every subject.
    func listen(_ topics: Set<ChangeTopic>, _ subjects: Set<String>?) -> ChangeListener
    /// Ends a listener.
    func end(_ listener: ChangeListener)
    /// Says that a committed transaction changed subjects.
    func announce(_ topic: ChangeTopic, _ subjects: some Sequence<String>)
    /// Wakes everyone for good: the process shuts down.
    func shutDown()
}

/// One who waits: for a change, for its time to be over, for its connection to close, or for the shutdown.
final class ChangeListener: Sendable {
    enum Wake: Sendable {
        case change
        case timeout
        case closed
        case shutdown
    }

    private enum State {
        case idle
        case waiting(CheckedContinuation<Wake, Never>)
        case woken(Wake)
    }

    fileprivate let number: UInt64
    fileprivate let topics: Set<ChangeTopic>
    fileprivate let subjects: Set<String>?
    private let state = Mutex(State.idle)

    fileprivate init(number: UInt64, topics: Set<ChangeTopic>, subjects: Set<String>?) {
        self.number = number
        self.topics = topics
        self.subjects = subjects
    }

    /// Waits once; returns at once where it was woken already.
    func wait() async -> Wake {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let woken: Wake? = state.withLock { state in
                    if case .woken(let wake) = state {
                        // What happens once is used up by the wait that sees it; the ends stay.
                        if wake == .change || wake == .timeout { state = .idle }
                        return wake
                    }
                    state = .waiting(continuation)
                    return nil
                }
                if let woken { continuation.resume(returning: woken) }
            }
        } onCancel: {
            wake(.shutdown)
        }
    }

    func wake(_ wake: Wake) {
        let continuation: CheckedContinuation<Wake, Never>? = state.withLock { state in
            switch state {
            case .idle:
                state = .woken(wake)
                return nil
            case .woken(let earlier):
                if earlier == .change || earlier == .timeout { state = .woken(wake) }
                return nil
            case .waiting(let continuation):
                state = wake == .change || wake == .timeout ? .idle : .woken(wake)
                return continuation
            }
        }
        continuation?.resume(returning: wake)
    }
}

/// The feed within one process.
final class ChangeHub: ChangeFeed {
    private struct State {
        var nextNumber: UInt64 = 0
        var listeners: [UInt64: ChangeListener] = [:]
        var bySubject: [String: Set<UInt64>] = [:]
        var ofEverything: Set<UInt64> = []
        var isDown = false
    }

    private let state = Mutex(State())

    func listen(_ topics: Set<ChangeTopic>, _ subjects: Set<String>?) -> ChangeListener {
        let (listener, isDown) = state.withLock { state in
            state.nextNumber += 1
            let listener = ChangeListener(number: state.nextNumber, topics: topics, subjects: subjects)
            state.listeners[listener.number] = listener
            for subject in subjects ?? [] { state.bySubject[subject, default: []].insert(listener.number) }
            if subjects == nil { state.ofEverything.insert(listener.number) }
            return (listener, state.isDown)
        }
        if isDown { listener.wake(.shutdown) }
        return listener
    }

    func end(_ listener: ChangeListener) {
        state.withLock { state in
            state.listeners[listener.number] = nil
            state.ofEverything.remove(listener.number)
            for subject in listener.subjects ?? [] {
                state.bySubject[subject]?.remove(listener.number)
                if state.bySubject[subject]?.isEmpty == true { state.bySubject[subject] = nil }
            }
        }
    }

    func announce(_ topic: ChangeTopic, _ subjects: some Sequence<String>) {
        let woken = state.withLock { state in
            var numbers = state.ofEverything
            for subject in subjects { numbers.formUnion(state.bySubject[subject] ?? []) }
            return numbers.compactMap { state.listeners[$0] }
        }
        for listener in woken where listener.topics.contains(topic) { listener.wake(.change) }
    }

    func shutDown() {
        let all = state.withLock { state in
            state.isDown = true
            return Array(state.listeners.values)
        }
        for listener in all { listener.wake(.shutdown) }
    }
}

import MartletAPI
import MartletTypes
import RegistryClient
import RolloutView
import Synchronization

/// Listens to what the registry's stream of events tells of one rollout, and keeps the rhythm in which it is looked at.
final class RolloutListener: Sendable {
    private let rollout: RolloutID
    private let follower: EventFollower
    private let rhythm = Mutex(WatchRhythm())
    private let begin = ContinuousClock.now

    /// How long a stream that could not be had is left alone.
    private static let pause: Duration = .seconds(10)

    init(_ rollout: RolloutID, registry: OperatorClient) throws {
        self.rollout = rollout
        let types: [EventType] = [.rollbackMade, .deviceFailed]
        let filter = (["rollout.*"] + types.map(\.rawValue)).joined(separator: ",")
        follower = EventFollower(registry: registry, filter: try EventFilter(filter))
    }

    /// Since the watching began.
    var now: Duration { ContinuousClock.now - begin }

    /// What the rhythm is told or asked.
    func withRhythm<Answer: Sendable>(_ body: (inout WatchRhythm) -> Answer) -> Answer {
        rhythm.withLock { rhythm in body(&rhythm) }
    }

    /// Returns when it is cancelled, or where the registry refuses the stream to this token: looking does without.
    func listen() async {
        while !Task.isCancelled {
            do {
                try await follower.follow(after: nil, last: 0) { [self] in take($0) }
            } catch let error as ClientError {
                take(.lost(error))
                guard error.isTransient else { return }
            } catch {
                // Cancelled, or an event of which nothing can be read.
                withRhythm { $0.lost("\(error)", at: now) }
            }
            guard (try? await Task.sleep(for: Self.pause)) != nil else { return }
        }
    }

    private func take(_ moment: EventFollower.Moment) {
        withRhythm { rhythm in
            switch moment {
            case .opened, .gap:
                rhythm.opened()
                // What happened meanwhile is not told again.
                rhythm.heard()
            case .event(let event):
                guard event.subject == rollout.text || event.data["rollout"]?.string == rollout.text else { return }
                rhythm.heard()
            case .lost(let error): rhythm.lost(error.code, at: now)
            }
        }
    }
}

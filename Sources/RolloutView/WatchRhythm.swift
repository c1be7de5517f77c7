/// When whoever watches a rollout looks at it again: at once where the registry's stream of events tells of it, now and
/// then in between because how far devices have come is no event, and more often while there is no stream.
///
/// All times are durations since the watching began.
package struct WatchRhythm: Sendable {
    /// Looks are at least so far apart, so that a fleet of thousands is not asked for all the time.
    static let shortest: Duration = .milliseconds(200)
    /// A look may take this part of the time.
    static let share = 5
    /// Between two looks beside a stream that tells of nothing.
    static let beside: Duration = .seconds(2)
    /// Between two looks without a stream.
    static let alone: Duration = .milliseconds(500)
    /// A stream that is there again within this time is not worth a word.
    static let grace: Duration = .seconds(5)

    private var isOpen = false
    /// Why there is no stream, and since when.
    private var lack = (why: "it has not begun", since: Duration.zero)
    private var isNoticed = false
    private var wasTold = false
    private var asked: Duration?
    private var answered = Duration.zero

    package init() {}

    /// The stream stands.
    package mutating func opened() { isOpen = true }

    /// The stream told of the rollout.
    package mutating func heard() { wasTold = true }

    /// The stream broke off, or was refused.
    package mutating func lost(_ why: String, at now: Duration) {
        lack = (why, isOpen ? now : lack.since)
        isOpen = false
    }

    /// The registry itself did not answer: where it is away, its stream need not be missed.
    package mutating func away(asked: Duration, at now: Duration) {
        looked(asked: asked, at: now)
        lack.since = now
    }

    /// A look was answered. What is told from when it was asked on is not known yet.
    package mutating func looked(asked: Duration, at now: Duration) {
        self.asked = asked
        answered = now
    }

    /// A look begins: what was told before it is seen by it.
    package mutating func looks() { wasTold = false }

    /// When the next look is due.
    package var next: Duration {
        guard let asked else { return .zero }
        let took = (answered - asked) * (Self.share - 1)
        let rest = wasTold ? Self.shortest : isOpen ? Self.beside : Self.alone
        return answered + max(took, rest)
    }

    /// What a person is told about the stream: once that it is missing, with the reason, and once that it is back.
    package mutating func notice(at now: Duration) -> String? {
        let isMissing = !isOpen && now - lack.since >= Self.grace
        guard isMissing != isNoticed, isMissing || isOpen else { return nil }
        isNoticed = isMissing
        return isMissing
            ? "There is no stream of events (\(lack.why)); the registry is asked again and again instead."
            : "The stream of events is there again."
    }

    /// Whether the last notice was that there is no stream.
    package var isWithoutStream: Bool { isNoticed }
}

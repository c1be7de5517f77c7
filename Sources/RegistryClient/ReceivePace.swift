/// Holds what is received to a number of bytes per second.
///
/// One moment is all it keeps, however many transfers share it: up to when what came so far paid for itself. A piece
/// is taken once its own time has passed too. Time is counted from any fixed moment.
package struct ReceivePace: Sendable {
    /// How much of a pause that was too long is made good: timers end late by a millisecond or more.
    package static let credit = Duration.milliseconds(100)

    private var paid: Duration

    /// Nothing has come before `start`.
    package init(from start: Duration) { paid = start }

    /// How long a piece shall wait; zero where it may come. `speed` is bytes per second.
    package func wait(for bytes: Int, speed: Int64, at now: Duration) -> Duration {
        max(.zero, paid + Self.cost(bytes, speed) - now)
    }

    /// Counts a piece that came.
    package mutating func take(_ bytes: Int, speed: Int64, at now: Duration) {
        paid = max(paid + Self.cost(bytes, speed), now - Self.credit)
    }

    private static func cost(_ bytes: Int, _ speed: Int64) -> Duration {
        .seconds(Double(bytes) / Double(max(1, speed)))
    }
}

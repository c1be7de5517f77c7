internal import Glibc
package import MartletTypes
internal import Synchronization

/// The time on a box whose clock may be wrong, missing or jumping.
///
/// What is known for certain is a lower bound: when this version was made, and the newest time that a verified
/// signature
/// vouches for. A system clock behind it, or absurdly far ahead of it, counts as none: then the time is the last good
/// one, or the bound, run on with the monotonic clock, and `distrust` says so. A system clock within the bounds is
/// followed forward at once; backward only by more than `AgentLimits.clockSetback`, as one that is set right after a
/// time in the future is, so that small corrections never let the time fall.
package final class AgentClock: Sendable {
    /// When this version was made; no box can be earlier.
    package static let buildTime = Timestamp(seconds: 1_795_000_000)

    private struct State {
        var base: Timestamp
        var baseInstant: ContinuousClock.Instant
        var signed: Timestamp
    }

    private let system: Clock
    private let build: Timestamp
    private let state: Mutex<State>

    package init(
        signed: Timestamp, system: @escaping Clock = AgentClock.systemTime, build: Timestamp = AgentClock.buildTime
    ) {
        self.system = system
        self.build = build
        // A signed time from a damaged journal must not carry the clock away.
        let bound = signed < build + AgentLimits.clockHorizon ? max(signed, build) : build
        let now = system()
        let start = Self.isAbsurd(now, bound) ? bound : max(now, bound)
        state = Mutex(State(base: start, baseInstant: .now, signed: bound))
    }

    /// The time to judge expiry by.
    package var now: Timestamp {
        let system = system()
        return state.withLock { state in
            let elapsed = max(state.base + (ContinuousClock.now - state.baseInstant), state.signed)
            let isUsable = system >= state.signed && !Self.isAbsurd(system, state.signed)
            let isSetBack = system < elapsed - AgentLimits.clockSetback
            guard isUsable, system > elapsed || isSetBack else { return elapsed }
            state.base = system
            state.baseInstant = .now
            return system
        }
    }

    /// A verified signature vouches for this time.
    package func vouch(_ time: Timestamp) {
        state.withLock { $0.signed = max($0.signed, time) }
    }

    /// Why nothing may be installed by this clock; nil where the system clock agrees with what is known.
    package var distrust: String? {
        let system = system()
        let known = state.withLock { $0.signed }
        if system < known - AgentLimits.clockTolerance {
            return "The system clock says \(system), but it is at least \(known)."
        }
        guard Self.isAbsurd(system, known) else { return nil }
        return "The system clock says \(system), which cannot be right: the newest that this device knows of is of "
            + "\(known)."
    }

    /// Waits until a time; with `orTrusted` no longer than until the system clock agrees with what is known.
    package func sleep(until time: Timestamp, orTrusted: Bool) async throws {
        while orTrusted, distrust != nil {
            let left = time - now
            guard left > .zero else { return }
            try await Task.sleep(for: min(left, AgentLimits.wrongClockInterval))
        }
        guard !orTrusted else { return }
        try await Task.sleep(for: max(.zero, time - now))
    }

    private static func isAbsurd(_ system: Timestamp, _ known: Timestamp) -> Bool {
        system > known + AgentLimits.clockHorizon
    }

    /// The kernel's clock.
    package static let systemTime: Clock = {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }
}

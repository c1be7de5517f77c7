internal import Glibc
package import MartletTypes
internal import Synchronization

/// The time on a box whose clock may be wrong: the latest of system clock, newest signed time, and build time.
///
/// Never falls while the process lives, and runs on with the monotonic clock where the system clock is set back.
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
        let start = max(system(), signed, build)
        state = Mutex(State(base: start, baseInstant: .now, signed: signed))
    }

    /// The time to judge expiry by.
    package var now: Timestamp {
        let system = system()
        return state.withLock { state in
            let elapsed = state.base + (ContinuousClock.now - state.baseInstant)
            let now = max(elapsed, state.signed, system)
            if now > elapsed {
                state.base = now
                state.baseInstant = .now
            }
            return now
        }
    }

    /// A verified signature vouches for this time.
    package func vouch(_ time: Timestamp) {
        state.withLock { $0.signed = max($0.signed, time) }
    }

    /// Why nothing may be installed by this clock; nil where the system clock agrees with what is known.
    package var distrust: String? {
        let system = system()
        let known = max(build, state.withLock { $0.signed })
        guard system < known - AgentLimits.clockTolerance else { return nil }
        return "The system clock says \(system), but it is at least \(known)."
    }

    /// The kernel's clock.
    package static let systemTime: Clock = {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }
}

package import MartletAPI
package import MartletTypes

/// How fast a rollout goes, and when it may end.
package struct RolloutPace: Sendable, Hashable {
    /// Devices that came to an end per minute, over the last minutes; nil where none did.
    package let perMinute: Double?
    /// When it ends at this pace; nil where that cannot be said.
    package let end: Timestamp?

    /// How far back is looked: long enough for a handful of slow boxes, short enough to follow a growing rate.
    static let window: Duration = .seconds(600)

    /// The registry's estimate where it has one, else the pace of the last minutes.
    package init(_ info: RolloutInfo, now: Timestamp) {
        let devices = info.devices ?? []
        let since = max(info.created, now - Self.window)
        // Of many devices the answer holds some; the registry has counted them all.
        let isWhole = info.devicesLeft == nil
        let seen = devices.count { $0.state.isFinal && $0.state != .superseded && $0.updated >= since }
        let recent = isWhole ? seen : info.endedLately ?? seen
        let open = DeviceRolloutState.allCases.reduce(0) { $1.isFinal ? $0 : $0 + info.counts[$1.rawValue, default: 0] }
        let minutes = max(Self.seconds(now - since) / 60, 1.0 / 60)
        let pace = recent == 0 ? nil : Double(recent) / minutes
        perMinute = pace
        // Nobody knows how long a person takes, and what stands still has no end.
        guard info.state == .running || info.state == .rollingBack, info.phase != "confirming" else {
            end = nil
            return
        }
        if let known = info.estimatedEnd {
            end = known
            return
        }
        let toConfirm = info.policy.waves.dropFirst(info.wave).dropLast().contains { $0.confirm }
        guard let pace, open > 0, !toConfirm else {
            end = nil
            return
        }
        let soaks = info.policy.waves.dropFirst(info.wave).dropLast().reduce(0) { $0 + $1.soakSeconds }
        let left = min(Double(open) / pace * 60, 365 * 86_400)
        end = now + .milliseconds(Int64(left * 1000)) + .seconds(soaks)
    }

    private static func seconds(_ duration: Duration) -> Double {
        let parts = duration.components
        return Double(parts.seconds) + Double(parts.attoseconds) / 1e18
    }
}

/// Lengths of time for people.
package enum Elapsed {
    /// `8s`, `3m12s`, `2h05m`, `3d04h`.
    package static func text(_ duration: Duration) -> String {
        let seconds = max(0, duration.components.seconds)
        func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
        if seconds < 60 { return "\(seconds)s" }
        if seconds < 3600 { return "\(seconds / 60)m\(two(seconds % 60))s" }
        if seconds < 86_400 { return "\(seconds / 3600)h\(two(seconds % 3600 / 60))m" }
        return "\(seconds / 86_400)d\(two(seconds % 86_400 / 3600))h"
    }

    /// The time of day of a moment in UTC: `12:41:10Z`, with the date where it is another day than `now`.
    package static func clock(_ time: Timestamp, now: Timestamp) -> String {
        let text = Timestamp(seconds: time.seconds).description
        let isToday = text.prefix(10) == now.description.prefix(10)
        return isToday ? String(text.dropFirst(11)) : text
    }
}

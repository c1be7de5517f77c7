internal import MartletTypes

/// When a maintenance window is open, in a time zone whose distance from UTC may change.
///
/// A window begins when the clock on the wall shows its time, and is open for its minutes as they pass. Where the wall
/// clock shows that time twice, it begins at the first; where summer time leaps over it, at the moment of the leap and
/// as much later as it lies beyond.
struct WindowCalendar {
    private static let day: Int64 = 86_400
    /// Days that are looked at: a window on one day of the week may just be over.
    private static let reach: ClosedRange<Int64> = -1...8

    let offset: @Sendable (Timestamp) -> Int64

    /// Whether the window is open at `now`.
    func isOpen(_ window: MaintenanceWindow, at now: Timestamp) -> Bool {
        let length = Int64(min(max(window.minutes, 1), 1440)) * 60
        return beginnings(of: window, around: now).contains { $0 <= now.seconds && now.seconds < $0 + length }
    }

    /// When the window opens next after `now`; nil where it never does.
    func nextOpening(_ window: MaintenanceWindow, after now: Timestamp) -> Timestamp? {
        beginnings(of: window, around: now).filter { $0 > now.seconds }.min().map { Timestamp(seconds: $0) }
    }

    private func beginnings(of window: MaintenanceWindow, around now: Timestamp) -> [Int64] {
        let local = now.seconds + offset(now)
        let today = (local - floorMod(local, Self.day)) / Self.day
        return Self.reach.compactMap { distance in
            let day = today + distance
            // The first day of 1970 was a Thursday.
            let weekday = Int(floorMod(day + 3, 7)) + 1
            guard window.days.isEmpty || window.days.contains(weekday) else { return nil }
            return moment(day * Self.day + Int64(min(max(window.startMinute, 0), 1439)) * 60)
        }
    }

    /// The first moment at which the wall clock shows `local`, seconds as if it were UTC.
    private func moment(_ local: Int64) -> Int64 {
        let before = offset(Timestamp(seconds: local - Self.day))
        let after = offset(Timestamp(seconds: local + Self.day))
        let fitting = [before, after].map { local - $0 }
            .filter { $0 + offset(Timestamp(seconds: $0)) == local }
        return fitting.min() ?? local - before
    }

    private func floorMod(_ value: Int64, _ modulus: Int64) -> Int64 { (value % modulus + modulus) % modulus }
}

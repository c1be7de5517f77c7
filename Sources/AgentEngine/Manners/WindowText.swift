internal import MartletTypes

/// Windows as people write them: `mon-fri 22:00-05:00`, `sat,sun 00:00-24:00`, `01:00-05:00`. The same spelling as in a
/// rollout's policy (docs/formats/rollout-policy.md).
enum WindowText {
    private static let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

    /// Nil for anything else.
    static func window(_ text: String) -> MaintenanceWindow? {
        let words = text.lowercased().split(separator: " ")
        guard (1...2).contains(words.count), let times = words.last?.split(separator: "-"), times.count == 2,
            let start = minute(times[0], upTo: 1439), let end = minute(times[1], upTo: 1440)
        else { return nil }
        var chosen: [Int] = []
        if words.count == 2 {
            for part in words[0].split(separator: ",", omittingEmptySubsequences: false) {
                guard let span = span(part) else { return nil }
                chosen += span
            }
        }
        // Equal times are a whole day; an earlier end is on the next.
        let minutes = (end - start + 1440) % 1440
        return MaintenanceWindow(
            days: Array(Set(chosen)).sorted(), startMinute: start, minutes: minutes == 0 ? 1440 : minutes)
    }

    private static func span(_ text: Substring) -> [Int]? {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { name in
            days.firstIndex { $0 == name }
        }
        guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1] else { return nil }
        let count = (last - first + 7) % 7
        return (0...count).map { (first + $0) % 7 + 1 }
    }

    private static func minute(_ text: Substring, upTo highest: Int) -> Int? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ $0.utf8.count == 2 }),
            text.utf8.allSatisfy({ (0x30...0x3a).contains($0) }), let hour = Int(parts[0]), let minute = Int(parts[1]),
            minute < 60
        else { return nil }
        let all = hour * 60 + minute
        return all <= highest ? all : nil
    }
}

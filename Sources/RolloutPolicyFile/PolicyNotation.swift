package import MartletTypes

/// How values are spelled in policies and flags. What is written by the one half is read by the other unchanged.
package enum PolicyNotation {
    // MARK: - Lengths of time

    private static let units: [(Character, Int)] = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)]

    /// The seconds of `90s`, `15m`, `12h` or `30d`.
    package static func seconds(_ text: String) -> Int? {
        guard let unit = text.last, let factor = units.first(where: { $0.0 == unit })?.1,
            let count = digits(text.dropLast()), count <= PolicyFileLimits.seconds / factor
        else { return nil }
        return count * factor
    }

    /// Seconds in the largest unit that divides them.
    package static func duration(_ seconds: Int) -> String {
        let unit = units.first { seconds != 0 && seconds.isMultiple(of: $0.1) } ?? ("s", 1)
        return "\(seconds / unit.1)\(unit.0)"
    }

    // MARK: - Numbers and shares

    /// A decimal number: no exponent, no hexadecimal digits, no infinity.
    package static func number(_ text: String) -> Double? {
        let digits = text.hasPrefix("-") ? text.dropFirst() : text[...]
        guard let first = digits.first, first.isASCII, first.isNumber, digits.utf8.count <= 32,
            digits.allSatisfy({ $0 == "." || ($0.isASCII && $0.isNumber) })
        else { return nil }
        return Double(text)
    }

    /// Without a point where it is whole.
    package static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : "\(value)"
    }

    /// The number that is `text` times a power of ten, rounded once: `67.8` per cent are 0.678 and nothing beside it.
    static func number(_ text: String, timesTenTo exponent: Int) -> Double? {
        number(text) == nil ? nil : Double("\(text)e\(exponent)")
    }

    /// 0.1 for `10%`.
    package static func share(_ text: String) -> Double? {
        guard text.hasSuffix("%") else { return nil }
        return number(String(text.dropLast()), timesTenTo: -2).flatMap { $0 >= 0 ? $0 : nil }
    }

    /// `10%` for 0.1: what is read as this very value, where there is such a text.
    package static func percent(_ share: Double) -> String {
        let rough = number((share * 100_000_000).rounded() / 1_000_000)
        return (number(rough, timesTenTo: -2) == share ? rough : number(share * 100)) + "%"
    }

    // MARK: - Sizes

    private static let sizes: [(String, Int64)] = [
        ("GiB", 1 << 30), ("GB", 1_000_000_000), ("MiB", 1 << 20), ("MB", 1_000_000), ("KiB", 1 << 10), ("kB", 1000),
        ("B", 1),
    ]

    /// The bytes of `500MB`, `1.5GiB` or `800kB`.
    package static func bytes(_ text: String) -> Int64? {
        guard let (unit, factor) = sizes.first(where: { text.hasSuffix($0.0) }),
            let count = number(String(text.dropLast(unit.count))), count >= 0
        else { return nil }
        let bytes = (count * Double(factor)).rounded()
        return bytes < 9e15 ? Int64(bytes) : nil
    }

    /// Bytes in the largest unit that divides them.
    package static func size(_ bytes: Int64) -> String {
        let unit = sizes.first { bytes != 0 && bytes.isMultiple(of: $0.1) } ?? ("B", 1)
        return "\(bytes / unit.1)\(unit.0)"
    }

    /// Bytes per second of `20MB/s`, or of `8Mbit/s`.
    package static func bytesPerSecond(_ text: String) -> Int64? {
        guard text.hasSuffix("/s") else { return nil }
        let amount = text.dropLast(2)
        for (unit, factor) in [("kbit", 125.0), ("Mbit", 125_000), ("Gbit", 125_000_000)] where amount.hasSuffix(unit) {
            guard let count = number(String(amount.dropLast(unit.count))), count >= 0, count < 1e6 else { return nil }
            return Int64((count * factor).rounded())
        }
        return bytes(String(amount))
    }

    /// `20MB/s`.
    package static func rate(_ bytesPerSecond: Int64) -> String { size(bytesPerSecond) + "/s" }

    private static func digits(_ text: Substring) -> Int? {
        guard !text.isEmpty, text.utf8.count <= 12, text.allSatisfy({ $0.isASCII && $0.isNumber }) else { return nil }
        return Int(text)
    }

    // MARK: - Windows of the week

    private static let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    /// What a window may look like, for errors.
    package static let windowRule = "days and times of the device's own clock, e.g. mon-fri 22:00-05:00"

    /// A window of `mon-fri 22:00-05:00`, `sat,sun 00:00-24:00` or `01:00-05:00`. Equal times are a whole day.
    package static func window(_ text: String) -> MaintenanceWindow? {
        let parts = text.split(separator: " ")
        guard let times = parts.last, parts.count <= 2 else { return nil }
        var chosen: [Int] = []
        if parts.count == 2 {
            guard let named = weekdays(parts[0]) else { return nil }
            chosen = named
        }
        let ends = times.split(separator: "-", omittingEmptySubsequences: false).map(minute)
        guard ends.count == 2, let start = ends[0], let end = ends[1], start < 1440 else { return nil }
        let minutes = (end - start + 1440) % 1440
        return MaintenanceWindow(days: chosen, startMinute: start, minutes: minutes == 0 ? 1440 : minutes)
    }

    /// `mon-fri 22:00-05:00`.
    package static func text(_ window: MaintenanceWindow) -> String {
        let end = (window.startMinute + window.minutes) % 1440
        let times = "\(clock(window.startMinute))-\(clock(end))"
        return window.days.isEmpty ? times : names(window.days) + " " + times
    }

    /// Days in ISO's numbering, sorted.
    private static func weekdays(_ text: Substring) -> [Int]? {
        var found: Set<Int> = []
        for part in text.lowercased().split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false)
                .map { days.firstIndex(of: String($0)) }
            guard ends.count <= 2, let first = ends.first ?? nil, let last = ends.last ?? nil else { return nil }
            for offset in 0...(last - first + 7) % 7 { found.insert((first + offset) % 7 + 1) }
        }
        return found.sorted()
    }

    private static func names(_ numbers: [Int]) -> String {
        var runs: [ClosedRange<Int>] = []
        for day in numbers where (1...7).contains(day) {
            if let last = runs.last, last.upperBound + 1 == day {
                runs[runs.count - 1] = last.lowerBound...day
            } else {
                runs.append(day...day)
            }
        }
        return runs.map { run in
            run.count == 1 ? days[run.lowerBound - 1] : "\(days[run.lowerBound - 1])-\(days[run.upperBound - 1])"
        }.joined(separator: ",")
    }

    /// Minutes after midnight of `22:00`; 24:00 is the end of the day.
    private static func minute(_ text: Substring) -> Int? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[1].count == 2, parts[0].count <= 2, let hour = digits(parts[0]),
            let minute = digits(parts[1]), minute < 60, hour * 60 + minute <= 1440
        else { return nil }
        return hour * 60 + minute
    }

    private static func clock(_ minute: Int) -> String {
        let (hours, minutes) = (minute / 60, minute % 60)
        return (hours < 10 ? "0" : "") + "\(hours):" + (minutes < 10 ? "0" : "") + "\(minutes)"
    }
}

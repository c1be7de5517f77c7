/// A span of the week in the device's own time zone in which it may begin an update.
package struct MaintenanceWindow: Sendable, Hashable, Codable {
    /// Days of the week in ISO's numbering, 1 is Monday; empty is every day. The day is that of the beginning.
    package var days: [Int]
    /// Minutes after midnight at which it begins, 0 to 1439.
    package var startMinute: Int
    /// Minutes that it lasts, 1 to 1440; it may reach into the next day.
    package var minutes: Int

    package init(days: [Int] = [], startMinute: Int, minutes: Int) {
        self.days = days
        self.startMinute = startMinute
        self.minutes = minutes
    }
}

/// When a device may begin to move, and how fast it may fetch. Part of the signed assignment: whole numbers only.
///
/// A device that waits for one of them reports `offered` with the code `waiting` and says in words for what.
package struct UpdateConditions: Sendable, Hashable {
    /// It begins in one of these only; empty is always.
    package var windows: [MaintenanceWindow]
    /// Seconds without a request to the slot before it switches; nil switches under load.
    package var idleSeconds: Int?
    /// Whether it must run on mains power; a box without a battery always does.
    package var onMains: Bool
    /// Degrees Celsius that its warmest zone must be below; nil does not ask.
    package var belowCelsius: Int?
    /// It waits a random time up to so many seconds before it fetches.
    package var jitterSeconds: Int
    /// Bytes per second that its fetching may take; nil takes the device's own limit.
    package var bytesPerSecond: Int64?

    package init(
        windows: [MaintenanceWindow] = [], idleSeconds: Int? = nil, onMains: Bool = false, belowCelsius: Int? = nil,
        jitterSeconds: Int = 0, bytesPerSecond: Int64? = nil
    ) {
        self.windows = windows
        self.idleSeconds = idleSeconds
        self.onMains = onMains
        self.belowCelsius = belowCelsius
        self.jitterSeconds = jitterSeconds
        self.bytesPerSecond = bytesPerSecond
    }

    /// The code of a report in the state `offered` that says that the device waits for a condition.
    package static let waitingCode = "waiting"
}

extension UpdateConditions: Codable {
    private enum CodingKeys: String, CodingKey {
        case windows, idleSeconds, onMains, belowCelsius, jitterSeconds, bytesPerSecond
    }

    package init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        self.init()
        windows = try fields.decodeIfPresent([MaintenanceWindow].self, forKey: .windows) ?? windows
        idleSeconds = try fields.decodeIfPresent(Int.self, forKey: .idleSeconds)
        onMains = try fields.decodeIfPresent(Bool.self, forKey: .onMains) ?? onMains
        belowCelsius = try fields.decodeIfPresent(Int.self, forKey: .belowCelsius)
        jitterSeconds = try fields.decodeIfPresent(Int.self, forKey: .jitterSeconds) ?? jitterSeconds
        bytesPerSecond = try fields.decodeIfPresent(Int64.self, forKey: .bytesPerSecond)
    }
}

import DeviceProfiles
import Foundation
import MartletTypes
import Testing

@testable import AgentEngine

@Suite("Maintenance windows")
struct WindowCalendarTests {
    /// The rules of Berlin in 2026: summer time from 29 March, 01:00 UTC, to 25 October, 01:00 UTC.
    private static let berlin: @Sendable (Timestamp) -> Int64 = { moment in
        (Int64(1_774_746_000)..<1_792_890_000).contains(moment.seconds) ? 7200 : 3600
    }

    /// Half past two for an hour, every night.
    private static let night = MaintenanceWindow(startMinute: 150, minutes: 60)
    /// Sunday from ten in the evening for six hours.
    private static let sunday = MaintenanceWindow(days: [7], startMinute: 1320, minutes: 360)

    @Test(
        "a window is open by the clock on the wall, by the day of its beginning, through summer time's changes",
        arguments: [
            (night, "2026-01-10T01:29:59Z", false), (night, "2026-01-10T01:30:00Z", true),
            (night, "2026-01-10T02:29:59Z", true), (night, "2026-01-10T02:30:00Z", false),
            (night, "2026-07-10T00:45:00Z", true), (night, "2026-07-10T01:45:00Z", false),
            // 29 March has no half past two: the clock goes from 02:00 to 03:00. It begins at 03:30.
            (night, "2026-03-29T01:29:59Z", false), (night, "2026-03-29T01:30:00Z", true),
            (night, "2026-03-29T02:29:59Z", true), (night, "2026-03-29T02:30:00Z", false),
            (night, "2026-03-30T00:30:00Z", true),
            // 25 October has it twice: it begins at the first, and is open for one hour and not for two.
            (night, "2026-10-25T00:29:59Z", false), (night, "2026-10-25T00:30:00Z", true),
            (night, "2026-10-25T01:29:59Z", true), (night, "2026-10-25T01:30:00Z", false),
            // Sunday 11 January from 21:00 UTC to Monday 03:00 UTC.
            (sunday, "2026-01-11T20:59:59Z", false), (sunday, "2026-01-11T21:00:00Z", true),
            (sunday, "2026-01-12T02:59:59Z", true), (sunday, "2026-01-12T03:00:00Z", false),
            (sunday, "2026-01-12T21:30:00Z", false),
        ])
    func open(window: MaintenanceWindow, now: String, isOpen: Bool) throws {
        #expect(WindowCalendar(offset: Self.berlin).isOpen(window, at: try Timestamp(now)) == isOpen)
    }

    @Test(
        "the next opening is found, a week ahead and across the change too",
        arguments: [
            (night, "2026-01-10T01:30:00Z", "2026-01-11T01:30:00Z"),
            (night, "2026-03-28T12:00:00Z", "2026-03-29T01:30:00Z"),
            (night, "2026-03-29T12:00:00Z", "2026-03-30T00:30:00Z"),
            (night, "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"),
            (night, "2026-10-25T00:45:00Z", "2026-10-26T01:30:00Z"),
            (sunday, "2026-01-11T21:00:00Z", "2026-01-18T21:00:00Z"),
        ])
    func next(window: MaintenanceWindow, now: String, opening: String) throws {
        let next = WindowCalendar(offset: Self.berlin).nextOpening(window, after: try Timestamp(now))
        #expect(next == (try Timestamp(opening)))
    }

    @Test("the zone is the system's, by the rules of its time zone database")
    func database() async throws {
        await #expect(processExitsWith: .success) {
            for (zone, moment, seconds) in [
                ("Europe/Berlin", "2026-03-29T00:59:59Z", 3600), ("Europe/Berlin", "2026-03-29T01:00:00Z", 7200),
                ("Europe/Berlin", "2026-10-25T00:59:59Z", 7200), ("Europe/Berlin", "2026-10-25T01:00:00Z", 3600),
                ("Australia/Lord_Howe", "2026-01-01T00:00:00Z", 39_600),
                ("Australia/Lord_Howe", "2026-07-01T00:00:00Z", 37_800),
            ] as [(String, String, Int64)] {
                setenv("TZ", zone, 1)
                let time = try Timestamp(moment)
                precondition(Surroundings.localOffset(time) == seconds, "\(zone) \(moment)")
            }
        }
    }
}

@Suite("Conditions of a device")
struct ConditionCheckTests {
    private static let now = Timestamp(seconds: 1_800_000_000)
    private static let battery = HardwareFacts.PowerSupply(name: "BAT0", type: "Battery", percent: 50)

    private func verdict(
        _ conditions: UpdateConditions, notBefore: Timestamp? = nil, supplies: [HardwareFacts.PowerSupply] = [],
        milliCelsius: [Int] = []
    ) -> ConditionCheck.Verdict {
        ConditionCheck(conditions: conditions, notBefore: notBefore).verdict(
            Self.now,
            Surroundings(
                powerSupplies: { supplies }, thermalZones: { milliCelsius.map { .init(name: "cpu", milliCelsius: $0) } }
            ))
    }

    @Test("power: a box without a battery always has it, one with a battery while another supply is online")
    func power() {
        let conditions = UpdateConditions(onMains: true)
        let wait = ConditionCheck.Verdict.wait("It must run on mains power.", until: Self.now + .seconds(60))
        func mains(_ online: Bool?) -> HardwareFacts.PowerSupply {
            HardwareFacts.PowerSupply(name: "AC", type: "Mains", online: online)
        }
        #expect(verdict(conditions) == .begin && verdict(conditions, supplies: [mains(false)]) == .begin)
        #expect(verdict(conditions, supplies: [Self.battery]) == wait)
        #expect(verdict(conditions, supplies: [Self.battery, mains(false)]) == wait)
        #expect(verdict(conditions, supplies: [Self.battery, mains(nil)]) == wait)
        #expect(verdict(conditions, supplies: [Self.battery, mains(true)]) == .begin)
        #expect(verdict(UpdateConditions(), supplies: [Self.battery]) == .begin)
    }

    @Test("heat: the warmest zone counts, and a box that cannot tell is not held up")
    func heat() {
        let conditions = UpdateConditions(belowCelsius: 60)
        #expect(verdict(conditions) == .begin && verdict(conditions, milliCelsius: [40_000, 59_999]) == .begin)
        guard case .wait(let reason, _) = verdict(conditions, milliCelsius: [40_000, 60_000]) else {
            Issue.record("begins")
            return
        }
        #expect(reason == "Its warmest zone must be below 60 °C.")
    }

    @Test("time: the wait ends when its time comes, and is looked at within the hour in any case")
    func time() {
        let soon = Self.now + .seconds(90)
        let jitter = UpdateConditions(jitterSeconds: 600)
        guard case .wait(_, soon) = verdict(jitter, notBefore: soon) else {
            Issue.record("begins")
            return
        }
        #expect(verdict(jitter, notBefore: Self.now) == .begin)
        // 1 800 000 000 is a Friday, 08:00 UTC.
        let far = UpdateConditions(windows: [MaintenanceWindow(days: [1], startMinute: 0, minutes: 60)])
        let words = "Its maintenance window opens at 2027-01-18 00:00, its own time."
        #expect(verdict(far) == .wait(words, until: Self.now + .seconds(3600)))
        let never = UpdateConditions(windows: [MaintenanceWindow(days: [9], startMinute: 0, minutes: 60)])
        guard case .wait(let reason, _) = verdict(never) else {
            Issue.record("begins")
            return
        }
        #expect(reason.contains("ever opens"))
    }
}

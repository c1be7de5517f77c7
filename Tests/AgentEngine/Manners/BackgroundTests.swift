import AgentStore
import Foundation
import Glibc
import MartletTypes
import ModelRuntime
import RegistryClient
import Synchronization
import TestSupport
import Testing
import Trust

@testable import AgentEngine

@Suite("Work that nobody waits for")
struct BackgroundTests {
    /// A device whose load and heat the test sets; time passes by waiting alone.
    private final class World: Sendable {
        struct State {
            var now = Timestamp(seconds: 1_795_046_400)
            var busyUntil = Timestamp(seconds: 0)
            var hotUntil = Timestamp(seconds: 0)
        }
        let state: Mutex<State>
        init(_ change: (inout State) -> Void = { _ in }) {
            var state = State()
            change(&state)
            self.state = Mutex(state)
        }
        var now: Timestamp { state.withLock { $0.now } }
        func gate(_ change: (inout BackgroundRule) -> Void = { _ in }) -> BackgroundGate {
            var rule = BackgroundRule()
            change(&rule)
            return BackgroundGate(
                rule: rule, clock: { self.now }, isBusy: { self.state.withLock { $0.now < $0.busyUntil } },
                isHot: { self.state.withLock { $0.now < $0.hotUntil } },
                pause: { time in self.state.withLock { $0.now = $0.now + time } })
        }
    }

    /// 2026-11-19, a Thursday, 00:00 UTC.
    private let start = Timestamp(seconds: 1_795_046_400)

    @Test("requests hold a piece until they are over, for two seconds at most")
    func busy() async throws {
        let short = World { $0.busyUntil = $0.now + .milliseconds(700) }
        try await short.gate().pass()
        #expect(short.now - start == .milliseconds(700))
        let long = World { $0.busyUntil = $0.now + .seconds(3600) }
        try await long.gate().pass()
        #expect(long.now - start == AgentLimits.longestYield)
        let idle = World()
        try await idle.gate().pass()
        #expect(idle.now == start)
        let careless = World { $0.busyUntil = $0.now + .seconds(3600) }
        try await careless.gate { $0.pausesWhileBusy = false }.pass()
        #expect(careless.now == start)
    }

    @Test("heat holds it for as long as it lasts")
    func hot() async throws {
        let world = World { $0.hotUntil = $0.now + .seconds(1800) }
        try await world.gate { $0.pausesWhileBusy = false }.pass()
        #expect(world.now - start >= .seconds(1800))
        #expect(world.now - start <= .seconds(1810))
    }

    @Test("outside of its windows a download waits for the next, or goes on slowly")
    func windows() async throws {
        let night = try #require(WindowText.window("22:00-05:00"))
        let day = World { $0.now = $0.now + .seconds(12 * 3600) }
        let waits = day.gate { $0.windows = [night] }
        #expect(try await waits.passDownload(limit: 5000) == DownloadSpeed(own: 5000))
        #expect(day.now == start + .seconds(22 * 3600))
        let slow = World { $0.now = $0.now + .seconds(12 * 3600) }
        let trickles = slow.gate { rule in
            rule.windows = [night]
            rule.outsideBytesPerSecond = 1000
            rule.bytesPerSecond = 9000
        }
        #expect(try await trickles.passDownload(limit: nil) == DownloadSpeed(shared: 1000))
        #expect(slow.now == start + .seconds(12 * 3600))
        let open = World()
        let gate = open.gate { rule in
            rule.windows = [night]
            rule.bytesPerSecond = 9000
        }
        #expect(try await gate.passDownload(limit: 20_000) == DownloadSpeed(shared: 9000, own: 20_000))
        #expect(try await open.gate().passDownload(limit: nil) == DownloadSpeed())
    }

    @Test("a piece is as small as its speed, so that a window's end is seen in half a minute")
    func pieces() {
        let gate = World().gate()
        #expect(gate.piece(at: nil) == AgentLimits.downloadPiece)
        #expect(gate.piece(at: 10_000) == 300_000)
        #expect(gate.piece(at: 1) == 65_536)
        #expect(gate.piece(at: .max) == AgentLimits.downloadPiece)
    }

    @Test(
        "windows are read as a rollout's policy spells them",
        arguments: [
            ("mon-fri 22:00-05:00", [1, 2, 3, 4, 5], 1320, 420), ("sat,sun 00:00-24:00", [6, 7], 0, 1440),
            ("01:00-05:00", [], 60, 240), ("fri-mon 08:00-08:00", [1, 5, 6, 7], 480, 1440),
            ("sun,Mon 23:59-00:00", [1, 7], 1439, 1),
        ] as [(String, [Int], Int, Int)])
    func reads(_ text: String, _ days: [Int], _ minute: Int, _ minutes: Int) {
        #expect(WindowText.window(text) == MaintenanceWindow(days: days, startMinute: minute, minutes: minutes))
    }

    @Test(
        "what is no window is refused",
        arguments: [
            "", "monday 01:00-02:00", "mon 1:00-2:00", "mon 24:00-01:00", "01:00", "mon 01:00-25:00",
            "mon,, 01:00-02:00",
            "mon 01:60-02:00", "mon tue 01:00-02:00", "mon- 01:00-02:00", "01:00-02:00-03:00", "٠١:٠٠-٠٢:٠٠",
        ])
    func refuses(_ text: String) { #expect(WindowText.window(text) == nil) }

    @Test("the file's words are taken over, and wrong ones are named")
    func configuration() throws {
        let text = #"""
            {"background": {"niceness": 15, "pauseWhileBusy": "no", "windows": ["01:00-05:00"],
                            "outsideBytesPerSecond": 4096},
             "control": {"readGroups": ["ops"], "changeGroups": ["adm", "wheel"]},
             "policy": {"localRollback": "refused"}}
            """#
        let read = try AgentConfiguration(parsing: Array(text.utf8))
        #expect(read.background.niceness == 15)
        #expect(!read.background.pausesWhileBusy)
        #expect(read.background.windows.count == 1)
        #expect(read.background.outsideBytesPerSecond == 4096)
        #expect(read.control == ControlAccess(readGroups: ["ops"], changeGroups: ["adm", "wheel"]))
        #expect(!read.policy.allowsLocalRollback)
        let plain = try AgentConfiguration(parsing: Array("{}".utf8))
        #expect(plain.background == BackgroundRule())
        #expect(plain.policy.allowsLocalRollback)
        let wrong: [(String, String)] = [
            (#"{"background": {"windows": ["at night"]}}"#, "background.windows[0]"),
            (#"{"background": {"outsideBytesPerSecond": 1}}"#, "background.outsideBytesPerSecond"),
            (#"{"background": {"niceness": 20}}"#, "background.niceness"),
            (#"{"background": {"pauseWhileBusy": true}}"#, "background.pauseWhileBusy"),
            (#"{"control": {"readGroups": ["../x"]}}"#, "control.readGroups[0]"),
            (#"{"control": {"users": []}}"#, "control.users"),
            (#"{"policy": {"localRollback": "maybe"}}"#, "policy.localRollback"),
        ]
        for (text, place) in wrong {
            #expect(
                performing: { try AgentConfiguration(parsing: Array(text.utf8)) },
                throws: { error in
                    ((error as? AgentError)?.message ?? "").contains(place)
                })
        }
    }

    @Test("a thread that gives way does so for itself alone; which of the agent's do is for MannersTests")
    func niceness() async {
        let before = getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0)
        let niced = await withCheckedContinuation { continuation in
            Thread {
                BackgroundThread.giveWay(niceness: 12, as: "test")
                continuation.resume(returning: getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0))
            }.start()
        }
        #expect(niced == 12)
        #expect(getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0) == before)
    }
}

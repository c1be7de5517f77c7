import MartletAPI
import MartletTypes
import RolloutView
import Testing

@Suite("The live view of a rollout")
struct RolloutScreenTests {
    private func screen(
        _ info: RolloutInfo, after seconds: Int64 = 60, columns: Int = 100, rows: Int = 40, isUnicode: Bool = true
    ) -> RolloutScreen {
        RolloutScreen(
            info, now: RolloutScene.begin + .seconds(seconds),
            terminal: .init(columns: columns, rows: rows, isUnicode: isUnicode))
    }

    private func text(_ screen: RolloutScreen) -> String { screen.text(colours: false).joined(separator: "\n") }

    @Test("waves, gates, devices at work and decisions stand on it with their numbers")
    func whole() throws {
        var info = try RolloutScene.rollout(
            [
                RolloutScene.device(1, .succeeded, after: 20), RolloutScene.device(2, .succeeded, wave: 1, after: 40),
                RolloutScene.device(3, .failed, wave: 1, code: "evaluationFailed", after: 50),
                RolloutScene.device(4, .downloading, wave: 1, message: "40 of 90 MiB", after: 30),
                RolloutScene.device(5, .offered, wave: 1, code: "waiting", message: "the window opens at 22:00"),
                RolloutScene.device(6, .pending, wave: 1),
            ], wave: 1)
        info.phase = "moving"
        info.gates = [RolloutScene.gate("failed", value: 0.082, baseline: 0.04, effect: 2.05)]
        info.decisions = [
            .init(time: RolloutScene.begin, action: "start", reason: "6 devices in 2 waves"),
            .init(time: RolloutScene.begin + .seconds(21), action: "startWave", reason: "wave 2 of 2 begins"),
        ]
        let shown = text(screen(info, columns: 140))
        for part in [
            "Rollout r-1  clinic/triage:2.0.0 → slot triage of fleet wards  running",
            "wave 2 of 2, devices at work, 1m00s so far, 3.0 devices a minute",
            "  wave 1   ████████████████████████████████████████ 1/1", "▸ wave 2   ", " 2/5 ",
            "1 succeeded, 1 failed, 1 pending, 1 offered, 1 downloading",
            "✗ time_per_output_token.p50  82ms against 40ms: × 2.05, at most × 1.20  5 against 12 devices, failed 1",
            "At work (2)", "pi-5  waiting     1m00s   the window opens at 22:00",
            "pi-4  downloading 30s     40 of 90 MiB", "startWave  wave 2 of 2 begins",
        ] { #expect(shown.contains(part), "\(part)\n\(shown)") }
        // Newest first.
        let order = shown.split(separator: "\n").filter { $0.contains("  start") }
        #expect(order.first?.contains("startWave") == true)
    }

    @Test("no line is wider than the terminal and no screen is higher", arguments: [20, 40, 80, 200], [3, 6, 12, 24])
    func fits(columns: Int, rows: Int) throws {
        var devices = try (0..<300).map { number in
            try RolloutScene.device(
                number, DeviceRolloutState.allCases[number % 13], wave: number / 20, message: "日本語のメッセージ 🦜 \(number)")
        }
        devices.append(try RolloutScene.device(999, .probing, wave: 14, message: String(repeating: "long ", count: 99)))
        var info = try RolloutScene.rollout(devices, waves: 15, wave: 7, reason: String(repeating: "why ", count: 99))
        info.gates = (0..<20).map { _ in RolloutScene.gate("passed", value: 0.05, baseline: 0.04, effect: 1.25) }
        info.decisions = (0..<50).map {
            .init(
                time: RolloutScene.begin, action: "gatePassed",
                reason: "number \($0)" + String(repeating: ".", count: 200))
        }
        for isUnicode in [true, false] {
            let view = screen(info, columns: columns, rows: rows, isUnicode: isUnicode)
            let lines = view.text(colours: false)
            #expect(lines.count <= rows - 1)
            for line in lines {
                let wide = line.unicodeScalars.count { $0.value > 0x2E80 }
                #expect(line.count + wide <= columns, "\(line)")
                #expect(isUnicode || !line.contains(where: { "█▒▸✓".contains($0) }))
            }
            #expect(lines.first?.hasPrefix("Rollout r-1") == true)
        }
    }

    @Test("bars keep their width, and a single failed device among thousands shows")
    func bars() throws {
        var devices = try (0..<2000).map { try RolloutScene.device($0, .succeeded) }
        devices.append(try RolloutScene.device(5000, .failed))
        let line = try #require(
            text(screen(try RolloutScene.rollout(devices, waves: 1))).split(separator: "\n").first {
                $0.contains("/2001")
            })
        #expect(line.contains("█✗ 2001/2001"), "\(line)")
        #expect(line.count { "█✗".contains($0) } == 40)
    }

    @Test("colours are there where they are asked for, and nothing else of a terminal's codes")
    func colours() throws {
        let info = try RolloutScene.rollout([
            try RolloutScene.device(1, .downloading, message: "\u{1B}[2Jgone\u{202E}\u{7}\r\nnext")
        ])
        let plain = screen(info).text(colours: false).joined()
        #expect(!plain.unicodeScalars.contains { $0.value < 32 || $0.value == 0x202E })
        let coloured = screen(info).text(colours: true).joined()
        #expect(coloured.contains("\u{1B}[36m") && coloured.contains("\u{1B}[0m"))
        #expect(!coloured.contains("\u{1B}[2J"))
    }

    @Test("why it stands still and what to do is told over several lines, not cut at the first")
    func sentences() throws {
        let words = (1...40).map { "word-\($0)" }.joined(separator: " ")
        let paused = try RolloutScene.rollout([try RolloutScene.device(1, .failed)], state: .paused, reason: words)
        let lines = screen(paused, columns: 80).text(colours: false)
        #expect(lines.contains { $0.contains("word-15") } && lines.allSatisfy { $0.count <= 80 })
        // The third line takes the rest, and says that it is cut.
        #expect(lines.contains { $0.hasPrefix("word-") && $0.hasSuffix("…") })
        #expect(lines.joined(separator: " ").contains("`abort` ends it here."))
        let plain = screen(paused, columns: 80, isUnicode: false).text(colours: false)
        #expect(plain.contains { $0.hasPrefix("word-") && $0.hasSuffix(">") })
    }

    @Test("a rollout that waits for a person says for what")
    func waiting() throws {
        var info = try RolloutScene.rollout([try RolloutScene.device(1, .succeeded)])
        info.phase = "confirming"
        #expect(text(screen(info)).contains("martlet rollout confirm r-1"))
        let paused = try RolloutScene.rollout(
            [try RolloutScene.device(1, .failed)], state: .paused, reason: "1 of 1 devices failed")
        #expect(text(screen(paused)).contains("1 of 1 devices failed"))
    }
}

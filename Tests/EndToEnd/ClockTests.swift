import Foundation
import MartletAPI
import MartletTypes
import TestSupport
import Testing

/// A real agent whose system clock is wrong, or jumps while it runs; timers go on as on a real box.
@Suite("A device whose clock is wrong", .serialized)
struct ClockTests {
    private static let tenYears: Int64 = 3652 * 86_400

    /// The system clock of an agent.
    struct ShiftedClock {
        let file: String
        let environment: [String: String]

        init(_ site: Site, by seconds: Int64) async throws {
            file = site.folder.file("shift")
            environment = [
                "LD_PRELOAD": try await Preload.library("clockshift", in: site.folder), "CLOCKSHIFT_FILE": file,
            ]
            try shift(by: seconds)
        }

        /// In place: the agent has the file mapped.
        func shift(by seconds: Int64) throws {
            var value = seconds
            let bytes = withUnsafeBytes(of: &value) { Data($0) }
            guard FileManager.default.fileExists(atPath: file) else {
                return try bytes.write(to: URL(fileURLWithPath: file))
            }
            let handle = try FileHandle(forUpdating: URL(fileURLWithPath: file))
            try handle.write(contentsOf: bytes)
            try handle.close()
        }
    }

    @Test(
        "serves, installs nothing, tells its registry why, and goes on by itself when the clock is set right",
        arguments: [-tenYears, tenYears, -Int64(Date().timeIntervalSince1970)])
    func wrong(_ shift: Int64) async throws {
        try await Site.ready("clk") { site in
            let first = try await site.startDevice("w1")
            try await site.martlet("publish", StoryTests.tiny("tiny-v1.Q4_0.gguf"), "--as", "clinic/base:1.0.0")
            try await site.martlet("publish", StoryTests.tiny("tiny-v2.Q4_0.gguf"), "--as", "clinic/base:2.0.0")
            try await rollOut(site, "1.0.0", "--wait")
            #expect(try await first.process.stop() == 0)

            let clock = try await ShiftedClock(site, by: shift)
            let device = try await site.startAgent("w1", gateway: first.gateway, environment: clock.environment)
            try await eventually(within: 90, "it serves\n\(device.process.output)") {
                try await Chat.ask(device.gateway, model: "s", "hello") == 200
            }
            // Certificates are judged by what is known of the time, so that the registry hears of it.
            try await eventually(within: 90, "the registry hears of it\n\(device.process.output.suffix(3000))") {
                try await site.device("w1").inventory?.problems?.map(\.code) == ["clockUntrusted"]
            }
            try await rollOut(site, "2.0.0")
            try await eventually(within: 90, "it waits\n\(device.process.output.suffix(3000))") {
                try await site.martlet("devices", "reports", "w1").output.contains("clockUntrusted")
                    && device.process.output.contains("Nothing is installed until the clock is right")
            }
            let current = try await site.device("w1").slots[SlotName("s")]?.current.map(\.reference)
            #expect(current == ["clinic/base:1.0.0"], "\(device.process.output.suffix(3000))")
            #expect(try await Chat.ask(device.gateway, model: "s", "hello") == 200)

            try clock.shift(by: 0)
            try await site.waitUntilServing("w1", "s", "clinic/base:2.0.0")
            try await eventually(within: 120, "the end is told") {
                try await site.device("w1").inventory?.problems == nil
            }
            #expect(try await device.process.stop() == 0)
        }
    }

    @Test("goes on through jumps while it runs: ten years back, ten years ahead, a day ahead and back")
    func jumps() async throws {
        try await Site.ready("clj") { site in
            let first = try await site.startDevice("w1")
            for (version, model) in [
                ("1.0.0", "tiny-v1.Q4_0.gguf"), ("2.0.0", "tiny-v2.Q4_0.gguf"), ("3.0.0", "tiny-v1.Q8_0.gguf"),
            ] {
                try await site.martlet("publish", StoryTests.tiny(model), "--as", "clinic/base:\(version)")
            }
            #expect(try await first.process.stop() == 0)
            let clock = try await ShiftedClock(site, by: 0)
            let device = try await site.startAgent("w1", gateway: first.gateway, environment: clock.environment)
            try await rollOut(site, "1.0.0")
            try await site.waitUntilServing("w1", "s", "clinic/base:1.0.0")
            for (number, shift) in [-Self.tenYears, Self.tenYears, 86_400].enumerated() {
                try clock.shift(by: shift)
                #expect(try await Chat.ask(device.gateway, model: "s", "hello") == 200, "\(shift)")
                if number < 2 {
                    try await rollOut(site, "\(number + 2).0.0")
                    try await eventually(within: 60, "it waits\n\(device.process.output.suffix(3000))") {
                        let log = device.process.output
                        return log.contains("base:\(number + 2).0.0") && log.contains("clock")
                    }
                    try clock.shift(by: 0)
                    try await site.waitUntilServing("w1", "s", "clinic/base:\(number + 2).0.0")
                }
            }
            try clock.shift(by: 0)
            try await rollOut(site, "1.0.0")
            try await site.waitUntilServing("w1", "s", "clinic/base:1.0.0")
            #expect(try await Chat.ask(device.gateway, model: "s", "hello") == 200)
            #expect(try await device.process.stop() == 0)
        }
    }

    private func rollOut(_ site: Site, _ version: String, _ flags: String...) async throws {
        let start = [
            "rollout", "start", "clinic/base:\(version)", "--selector", "site=berlin", "--slot", "s", "--soak", "1s",
        ]
        try await site.martlet(start + flags, expecting: 0)
    }
}

import Foundation
import MartletAPI
import MartletTypes
import TestSupport
import Testing

/// A device whose data folder the kernel mounted read-only, as it does after a fault of the disk.
@Suite("A device whose disk takes no writes", .serialized)
struct ReadOnlyDiskTests {
    /// How the last agent ended, and what else befell the disk.
    enum Ending: CaseIterable, Sendable {
        case stopped, killed
        /// A card that dies damages what is on it before the kernel lets nobody write to it.
        case damagedJournal

        var signal: Int32 { self == .killed ? SIGKILL : SIGTERM }
    }

    @Test(
        "serves what it served, says what is wrong, installs nothing, and goes on by itself when the disk is back",
        .enabled("a folder can be mounted read-only only by root") { await OwnMounts.arePossible },
        arguments: Ending.allCases)
    func readOnly(_ ending: Ending) async throws {
        try await Site.ready("ro") { site in
            let first = try await site.startDevice("w1")
            try await site.martlet("publish", StoryTests.tiny("tiny-v1.Q4_0.gguf"), "--as", "clinic/base:1.0.0")
            try await site.martlet("fleets", "set", "all", "--selector", "")
            try await rollOut(site, "1.0.0")
            try await site.waitUntilServing("w1", "t", "clinic/base:1.0.0")
            try await eventually(within: 60, "the rollout is over") {
                try await site.device("w1").slots[SlotName("t")]?.state == .succeeded
            }
            first.process.signal(ending.signal)
            _ = try await first.process.exitCode(within: 60)
            let journal = first.data + "/journal.sqlite"
            if ending == .damagedJournal { try Data(count: 8192).write(to: URL(fileURLWithPath: journal)) }

            let agent = try start(site, first.data)
            try await eventually(within: 120, "it serves\n\(agent.output)") {
                guard agent.isRunning else { throw NeverTrue(description: agent.output) }
                guard let gateway = try? await DeviceStatus.of(first.data).agent.gateway else { return false }
                return try await Chat.ask("http://" + gateway, model: "t", "hello") == 200
            }
            #expect(try await DeviceStatus.of(first.data).agent.problems.map(\.code) == ["storeReadOnly"])
            let table = try await run(Checkout.product("martlet-agent"), ["status", "--data", first.data])
            #expect(table.output.contains("storeReadOnly: The data folder takes no writes"), "\(table)")
            try await eventually(within: 60, "the registry hears of it") {
                try await site.device("w1").inventory?.problems?.map(\.code) == ["storeReadOnly"]
            }
            try await site.waitUntilServing("w1", "t", "clinic/base:1.0.0")
            let shown = try await site.martlet("devices", "show", "w1")
            #expect(shown.output.contains("storeReadOnly: The data folder takes no writes"), "\(shown.output)")

            try await site.martlet("publish", StoryTests.tiny("tiny-v1.Q8_0.gguf"), "--as", "clinic/base:2.0.0")
            try await rollOut(site, "2.0.0")
            try await eventually(within: 60, "it cannot take the assignment\n\(agent.output)") {
                agent.output.contains("no assignment") && agent.output.contains("readOnly")
            }
            #expect(try await site.device("w1").slots[SlotName("t")]?.current.map(\.reference) == ["clinic/base:1.0.0"])

            let remounted = try await run(
                "/usr/bin/nsenter", ["-t", String(agent.pid), "-m", "mount", "-o", "remount,bind,rw", first.data])
            #expect(remounted.status == 0, "\(remounted)")
            try await site.waitUntilServing("w1", "t", "clinic/base:2.0.0")
            #expect(try await DeviceStatus.of(first.data).agent.problems.isEmpty)
            try await eventually(within: 60, "the end is reported, and the inventory free of it") {
                guard try await site.device("w1").inventory?.problems == nil else { return false }
                return try await site.martlet("devices", "reports", "w1").output.contains("storeWritable")
            }
            let reports = try await site.martlet("devices", "reports", "w1").output
            #expect(reports.contains("journalRecovered") == (ending == .damagedJournal), "\(reports)")
            #expect(try await agent.stop() == 0, "\(agent.output.suffix(3000))")
        }
    }

    private func rollOut(_ site: Site, _ version: String) async throws {
        try await site.martlet(
            "rollout", "start", "clinic/base:\(version)", "--fleet", "all", "--slot", "t", "--soak", "1s")
    }

    /// Starts the agent where its data folder is mounted read-only, for it and its engines alone.
    private func start(_ site: Site, _ data: String) throws -> RunningProcess {
        // It writes its addresses nowhere, so that `Site.startAgent` would wait for them in vain.
        let command =
            OwnMounts.command(#"mount --bind "$0" "$0" && mount -o remount,bind,ro "$0""#, [data]) + [
                Checkout.product("martlet-agent"), "run", "--data", data, "--gateway", "127.0.0.1:0", "--config",
                site.folder.file("w1.agent.json"),
            ]
        return try RunningProcess(
            command[0], Array(command.dropFirst()), log: site.folder.file("w1-readonly.log"))
    }
}

import AgentStore
import Foundation
import Glibc
import MartletTypes
import TestSupport
import Testing
import Trust

@testable import AgentEngine

/// One thing that is wrong with a device, made for real.
struct BrokenSetUp: Sendable, CustomTestStringConvertible {
    let ailment: Ailment
    /// What may be found besides, because it follows.
    var along: Set<Ailment> = []
    /// Changing owners and mounting are root's.
    var needsRoot = false
    let breakIt: @Sendable (SickBox) async throws -> Void

    init(
        _ ailment: Ailment, along: Set<Ailment> = [], needsRoot: Bool = false,
        _ breakIt: @escaping @Sendable (SickBox) async throws -> Void
    ) {
        self.ailment = ailment
        self.along = along
        self.needsRoot = needsRoot
        self.breakIt = breakIt
    }

    var testDescription: String { ailment.rawValue }

    static let all = files + folders + processes + identities + registries + trust + engines + gateway + box

    /// What only another user or another environment can show: `DoctorCommandTests` of the end-to-end tests.
    static let elsewhere: Set<Ailment> = [.dataUnreadable, .proxyNotReached]

    private static let files: [BrokenSetUp] = [
        BrokenSetUp(.configurationUnreadable) { box in
            try box.remove("data/agent.json")
            try box.write("data/agent.json/file", "")
        },
        BrokenSetUp(.configurationWrong) { try $0.configure(#"{"gatway": {}}"#) },
        BrokenSetUp(.configurationWrong) { try $0.configure(#"{"engine": {"threads": 0}}"#) },
        BrokenSetUp(.configurationWrong) { try $0.configure(#"{"engine": "#) },
        BrokenSetUp(.configurationWrong) { $0.option(.config, $0.folder.file("absent.json")) },
        BrokenSetUp(.nothingAllowed) { try $0.configure(#"{"gateway": {"address": "127.0.0.1:0"}}"#) },
        BrokenSetUp(.configurationExposed) { box in
            try box.configure(
                #"{"policy": {"otherSlots": ["c/*"]}, "#
                    + #""gateway": {"address": "127.0.0.1:0", "keys": ["0123456789abcdef"]}}"#
            )
            box.mode(0o644, "data/agent.json")
        },
        BrokenSetUp(.configurationWrong) { try $0.packagedUnit(#"{"gatway": {}}"#) },
        BrokenSetUp(.nothingAllowed) {
            try $0.packagedUnit(#"{"policy": {}, "gateway": {"address": "127.0.0.1:0"}}"#)
        },
        BrokenSetUp(.configurationNotUsed) { box in
            try box.packagedUnit(#"{"policy": {"otherSlots": ["a/*"]}}"#, flags: "--config \(box.data)/agent.json")
        },
        // The unit of an older package names no file.
        BrokenSetUp(.configurationNotUsed) { box in
            try box.unit()
            try box.write("root/etc/martlet/agent.json", #"{"engine": {"threads": 2}}"#)
        },
    ]

    private static let folders: [BrokenSetUp] = [
        BrokenSetUp(.dataMissing, along: [.notEnrolled, .nothingAllowed, .gatewayPortTaken]) { box in
            box.scene.data = box.folder.file("absent")
        },
        BrokenSetUp(.dataNotFolder, along: [.notEnrolled, .nothingAllowed, .gatewayPortTaken, .configurationWrong]) {
            box in
            box.scene.data = box.folder.file("llama-server")
        },
        BrokenSetUp(.dataWrongOwner, needsRoot: true) { box in
            guard lchown(box.layout.lock, 65534, 65534) == 0 else { throw NeverTrue(description: "chown") }
        },
        BrokenSetUp(.dataNotWritable, needsRoot: true) { box in
            let done = try await run("/bin/chown", ["-R", "65534:65534", box.data])
            guard done.status == 0 else { throw NeverTrue(description: done.errors) }
            box.mode(0o555, "data/blobs")
        },
        BrokenSetUp(.dataReadOnly, along: [.socketPathTooLong], needsRoot: true) { box in
            try await box.mount(#"mount --bind "$1" "$1"; mount -o remount,bind,ro "$1""#)
        },
        BrokenSetUp(.diskFull, along: [.socketPathTooLong], needsRoot: true) { box in
            try await box.mount(
                #"""
                cp -a "$1" "$1.copy"; mount -t tmpfs -o size=512k,mode=755 none "$1"; cp -a "$1.copy/." "$1"
                dd if=/dev/zero of="$1/filling" bs=4k 2>/dev/null || true
                """#)
        },
        BrokenSetUp(.diskFull, along: [.socketPathTooLong], needsRoot: true) { box in
            try await box.mount(
                #"""
                cp -a "$1" "$1.copy"; mount -t tmpfs -o size=400m,nr_inodes=64,mode=755 none "$1"
                cp -a "$1.copy/." "$1"; (cd "$1"; for n in $(seq 64); do : >"f$n"; done) 2>/dev/null || true
                """#)
        },
        BrokenSetUp(.diskBelowReserve, along: [.socketPathTooLong], needsRoot: true) { box in
            try await box.mount(
                #"""
                cp -a "$1" "$1.copy"; mount -t tmpfs -o size=64m,mode=755 none "$1"
                cp -a "$1.copy/." "$1"; head -c 54M /dev/zero >"$1/fill"
                """#)
        },
    ]

    private static let processes: [BrokenSetUp] = [
        BrokenSetUp(.twoAgents, along: [.memoryPressure, .swapInUse, .clockNotSynchronised, .unitNotEnabled, .tooHot]) {
            box in
            box.scene.root = ""
            for _ in 0..<2 {
                let script = "exec -a /usr/bin/martlet-agent sh -c 'read x' run --data '\(box.data)'"
                let (stdin, _) = (try ChildProcess.pipe(), 0)
                box.hold(stdin.reading)
                box.hold(stdin.writing)
                let child = try ChildProcess(
                    "/bin/bash", ["-c", script], input: .descriptor(stdin.reading.fileDescriptor), output: .nothing,
                    errors: .nothing)
                box.hold(Ending(child: child))
                try await eventually(within: 20, "it has its name") {
                    try Data(contentsOf: URL(fileURLWithPath: "/proc/\(child.pid)/cmdline")).starts(
                        with: Data("/usr/bin/martlet-agent".utf8))
                }
            }
        },
        BrokenSetUp(.agentNotAnswering) { box in box.hold(try StoreLock(layout: box.layout)) },
        BrokenSetUp(.agentNotRunning) { _ in },
        BrokenSetUp(.otherVersion) { try await $0.run(status { $0.agent.version = "0.0.1" }) },
        BrokenSetUp(.agentProblem) { box in
            try await box.run(
                status { status in
                    status.agent.problems = [
                        DeviceProblem(
                            code: "storeFull", message: "The disk is full.", remedy: "Free space.",
                            since: SlotFixtures.start)
                    ]
                })
        },
        BrokenSetUp(.slotBlocked) { box in
            try await box.run(
                status { status in
                    status.slots = [
                        AgentStatus.Slot(
                            slot: try SlotName("triage"), phase: "failed", serving: true, current: [], previous: [],
                            assigned: [], generation: 2, override: "probeFailed: It fails its probes.", retryAt: nil,
                            history: [])
                    ]
                })
        },
        BrokenSetUp(.unitNotEnabled) { try $0.remove("root/etc/systemd/system/multi-user.target.wants") },
        BrokenSetUp(.unitNotEnabled) { box in
            try FileManager.default.createSymbolicLink(
                atPath: box.folder.file("root/etc/systemd/system/martlet-agent.service"),
                withDestinationPath: "/dev/null")
        },
    ]

    private static let identities: [BrokenSetUp] = [
        BrokenSetUp(.notEnrolled) { try $0.remove("data/identity/device.json") },
        BrokenSetUp(.identityDamaged) { try $0.write("data/identity/device.json", "{") },
        BrokenSetUp(.keyMissing) { try $0.remove("data/identity/key-1.pem") },
        BrokenSetUp(.keyUnusable) { box in
            try box.write("data/identity/key-1.pem", "no key")
            box.mode(0o600, "data/identity/key-1.pem")
        },
        BrokenSetUp(.keyUnusable, along: [.registryNotMartlet, .registryNotReached]) { box in
            let other = try KeyPair.generate(.ed25519).pem()
            try box.write("data/identity/key-1.pem", String(decoding: other, as: UTF8.self))
            box.mode(0o600, "data/identity/key-1.pem")
        },
        BrokenSetUp(.keyExposed) { $0.mode(0o644, "data/identity/key-1.pem") },
        BrokenSetUp(.certificateExpired, along: [.metadataExpired]) { $0.clock($0.certificateEnds + .seconds(1)) },
        BrokenSetUp(.certificateNotYetValid) { $0.clock($0.certificateBegins - .seconds(3600)) },
        BrokenSetUp(.certificateEndsSoon, along: [.metadataExpired]) { $0.clock($0.certificateEnds - .seconds(3600)) },
        BrokenSetUp(.clockBehind, along: [.certificateNotYetValid]) { $0.clock(Timestamp(seconds: 0)) },
        BrokenSetUp(.clockAhead, along: [.certificateExpired, .metadataExpired]) {
            $0.clock(Timestamp(seconds: 4_000_000_000))
        },
        BrokenSetUp(.clockNotSynchronised) { try $0.remove("root/run/systemd/timesync/synchronized") },
        BrokenSetUp(.clockNotSynchronised) { $0.scene.kernelClock = { false } },
        BrokenSetUp(.clockNotSynchronised) { box in
            try box.remove("root/run/systemd/timesync")
            box.scene.kernelClock = { false }
        },
    ]

    /// The status of an agent that is well.
    static func status(_ change: (inout AgentStatus) throws -> Void) throws -> AgentStatus {
        var status = AgentStatus(
            agent: AgentStatus.Agent(
                device: try DeviceID("ward-1"), registry: "https://registry.example:8443",
                version: MartletVersion.text, started: SlotFixtures.start, certificateEnds: SlotFixtures.start,
                assignment: 4, gateway: "127.0.0.1:8080", profile: "generic", storeBytes: .mebibytes(5),
                waitingReports: 0), slots: [])
        try change(&status)
        return status
    }

    private final class Ending {
        let child: ChildProcess
        init(child: ChildProcess) { self.child = child }
        deinit { child.terminate() }
    }
}

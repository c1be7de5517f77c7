import AgentStore
import Foundation
import MartletTypes
import TestSupport
import Testing

@testable import AgentEngine

@Suite("The doctor")
struct DoctorTests {
    @Test("finds nothing wrong with a device that is well, but that its agent is not started")
    func well() async throws {
        let box = try await SickBox()
        let diagnosis = await Doctor(box.scene).examine()
        #expect(diagnosis.findings.map(\.id) == ["agentNotRunning"], "\(diagnosis)")
        #expect(diagnosis.worst == .warning)
        #expect(!diagnosis.agentRuns)
        try await box.run(BrokenSetUp.status { _ in })
        let running = await Doctor(box.scene).examine()
        #expect(running.findings.isEmpty, "\(running)")
        #expect(running.worst == nil)
        #expect(running.agentRuns)
        #expect(running.passed == Doctor.Check.allCases.map(\.rawValue))
    }

    @Test("takes an agent that came over the air for what it is, not for one that was left running")
    func overTheAir() async throws {
        let box = try await SickBox()
        let program = AgentProgram(digest: .of([1]), version: try SemanticVersion("7.1.0"))
        try box.write(
            "data/agent/programs/\(program.digest.hex)/program.json",
            String(decoding: try JSONText.encode(program), as: UTF8.self))
        try ProgramFolder(data: box.data).point(to: program)
        try await box.run(BrokenSetUp.status { $0.agent.version = "7.1.0" })
        let diagnosis = await Doctor(box.scene).examine()
        #expect(diagnosis.findings.isEmpty, "\(diagnosis)")
    }

    /// Boxes with engines of several kinds on which nothing is wrong.
    private static let healthy: [@Sendable (SickBox) throws -> Void] = [
        { box in
            try box.configure(with: #""engines": {\#(try box.declaration(#", "version": "1.2.0""#))}"#)
            try box.install(engine: EngineRequirement(name: "onnx", minVersion: try SemanticVersion("1.2.0")))
        },
        { box in
            let version = try SemanticVersion("9.0.0")
            try box.install(
                engine: EngineRequirement(name: "llama.cpp", minVersion: version),
                build: EngineBuild(
                    name: "llama.cpp", version: version, archive: .of([]), size: .zero, unpacked: .zero))
            box.scene.environment = [:]
            try box.configure(
                #"{"policy": {"otherSlots": ["clinic/*"], "engineNamespace": "platform"}, "#
                    + #""gateway": {"address": "127.0.0.1:0"}}"#)
        },
        { box in
            try box.configure(with: #""engines": {\#(try box.declaration())}"#)
            box.scene.environment = [:]
        },
        { box in
            try box.configure(with: #""engine": {"launcher": "systemd"}"#)
            try box.write("root/usr/share/dbus-1/system-services/org.freedesktop.PolicyKit1.service", "")
            try box.write("root/usr/share/polkit-1/rules.d/50-martlet-agent.rules", "")
        },
    ]

    @Test("judges an engine by its own name and build, and misses none that nothing needs", arguments: 0..<4)
    func engines(_ index: Int) async throws {
        let box = try await SickBox()
        try Self.healthy[index](box)
        let diagnosis = await Doctor(box.scene).examine()
        #expect(diagnosis.findings.map(\.id) == ["agentNotRunning"], "\(diagnosis)")
    }

    @Test("judges heat by the zones that the profile counts, the named one before the one that fits")
    func zones() async throws {
        let box = try await SickBox()
        try box.write("root/sys/class/thermal/thermal_zone1/type", "wifi")
        try box.write("root/sys/class/thermal/thermal_zone1/temp", "95000")
        #expect(await Doctor(box.scene).examine().findings.map(\.id).contains("tooHot"))
        try box.configure(with: #""profile": "raspberry-pi-5""#)
        #expect(await Doctor(box.scene).examine().findings.map(\.id) == ["agentNotRunning"])
    }

    @Test("looks at the file that the unit names, with the flags that it gives")
    func unit() async throws {
        let box = try await SickBox()
        // What was kept at enrolment counts for as long as the machine's own file says nothing or is not there.
        for text in ["{}", nil] {
            try box.packagedUnit("{}")
            if text == nil { try box.remove("root/etc/martlet/agent.json") }
            #expect(await Doctor(box.scene).examine().findings.map(\.id) == ["agentNotRunning"])
        }
        // From then on it counts, whatever was kept; the policy that it does not state stays.
        let kept = #"{"policy": {"otherSlots": ["clinic/*"]}, "gateway": {"address": "192.0.2.1:80"}}"#
        try box.configure(kept)
        try box.packagedUnit(#"{"gateway": {"address": "127.0.0.1:0"}}"#)
        #expect(await Doctor(box.scene).examine().findings.map(\.id) == ["agentNotRunning"])
        // The unit of another data folder says nothing about this one.
        try box.packagedUnit(#"{"gateway": {"address": "127.0.0.1:0"}}"#, flags: "--data=/x")
        #expect(await Doctor(box.scene).examine().findings.contains { $0.place == "192.0.2.1:80" })
        try box.packagedUnit(#"{"gateway": {"address": "127.0.0.1:0"}}"#, flags: "--gateway '192.0.2.1:81'")
        #expect(await Doctor(box.scene).examine().findings.contains { $0.place == "192.0.2.1:81" })
    }

    @Test("reads the packaged unit as systemd does")
    func packaged() throws {
        let text = try String(contentsOfFile: Checkout.root + "/systemd/martlet-agent.service", encoding: .utf8)
        let plain = AgentUnit([text]) { _ in nil }
        #expect(plain.options[.data]?.value == AgentOption.defaultData)
        #expect(plain.options[.systemConfig]?.value == "/etc/martlet/agent.json")
        #expect(plain.options[.config] == nil && plain.variables["LIBDISPATCH_LOG"] == "NO")
        // A file of variables wins over the unit, a drop-in over both.
        let defaults = """
            # one
            MARTLET_AGENT_FLAGS="--gateway [::1]:90 --config '/a b'"
            MARTLET_AGENT_SYSTEM_CONFIG=/x
            """
        let changed = AgentUnit([text]) { $0 == "/etc/default/martlet-agent" ? defaults : nil }
        #expect(changed.options[.gateway]?.value == "[::1]:90" && changed.options[.config]?.value == "/a b")
        #expect(changed.options[.systemConfig]?.value == "/x")
        let dropIn = "[Service]\nExecStart=\nExecStart=/usr/bin/martlet-agent run --data=/srv/%%m\n"
        #expect(AgentUnit([text, dropIn]) { _ in nil }.options[.data]?.value == "/srv/%m")
    }

    @Test("takes keys in a file of the agent's group for kept, and in one that others read for exposed")
    func exposure() async throws {
        let box = try await SickBox()
        try box.packagedUnit(#"{"gateway": {"address": "127.0.0.1:0", "keys": ["0123456789abcdef"]}}"#)
        box.mode(0o640, "root/etc/martlet/agent.json")
        #expect(await Doctor(box.scene).examine().findings.map(\.id) == ["agentNotRunning"])
        box.mode(0o644, "root/etc/martlet/agent.json")
        #expect(await Doctor(box.scene).examine().findings.contains { $0.id == "configurationExposed" })
    }

    @Test("believes the kernel about the clock before files, and says so where nothing tells")
    func clocks() async throws {
        let box = try await SickBox()
        try box.remove("root/run/systemd/timesync")
        box.scene.kernelClock = { true }
        #expect(await Doctor(box.scene).examine().passed.contains("clock"))
        box.scene.kernelClock = { nil }
        #expect(await Doctor(box.scene).examine().skipped.map(\.check) == ["clock"])
    }

    @Test("finds what is wrong, says where and what to do, and nothing that is not so", arguments: BrokenSetUp.all)
    func finds(_ setUp: BrokenSetUp) async throws {
        guard !setUp.needsRoot || geteuid() == 0 else { return }
        let box = try await SickBox()
        try await setUp.breakIt(box)
        let diagnosis = await Doctor(box.scene).examine()
        let found = try #require(diagnosis.findings.first { $0.id == setUp.ailment.rawValue }, "\(diagnosis)")
        #expect(found.severity == setUp.ailment.severity)
        #expect(!found.place.isEmpty && found.message.count > 10 && !found.remedy.isEmpty, "\(found)")
        #expect(found.message.hasSuffix(".") || found.message.hasSuffix(")"), "\(found.message)")
        let others = Set(diagnosis.findings.map(\.id))
            .subtracting(setUp.along.map(\.rawValue)).subtracting([setUp.ailment.rawValue, "agentNotRunning"])
        #expect(others.isEmpty, "\(diagnosis)")
        // It only looks: the lock is free, and what is there is as it was.
        #expect(try JSONText.decode(Diagnosis.self, from: try JSONText.encode(diagnosis)) == diagnosis)
    }

    @Test("has a set-up for each thing that it can find, and each is in the documentation")
    func complete() throws {
        let covered = Set(BrokenSetUp.all.map(\.ailment)).union(BrokenSetUp.elsewhere)
        #expect(Set(Ailment.allCases).subtracting(covered).isEmpty)
        let text = try String(contentsOfFile: Checkout.root + "/docs/doctor.md", encoding: .utf8)
        for ailment in Ailment.allCases {
            #expect(text.contains("| `\(ailment.rawValue)` | \(ailment.severity.rawValue) |"), "\(ailment)")
            #expect(ailment == .agentProblem || !ailment.remedy.isEmpty, "\(ailment)")
        }
    }

    @Test("skips what cannot be looked at, and says why")
    func skips() async throws {
        let box = try await SickBox()
        try box.remove("data/identity/device.json")
        let diagnosis = await Doctor(box.scene).examine()
        #expect(Set(diagnosis.skipped.map(\.check)) == ["registry", "trust"])
        #expect(diagnosis.worst == .error)
    }
}

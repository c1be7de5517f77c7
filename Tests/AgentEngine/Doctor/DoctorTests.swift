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

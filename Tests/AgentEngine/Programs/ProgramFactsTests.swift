import AgentStore
import Foundation
import MartletTypes
import ModelRuntime
import TestSupport
import Testing

@testable import AgentEngine

@Suite("A program of the agent that is asked what it is")
struct ProgramFactsTests {
    @Test("is asked again where it could not be started at all")
    func unstarted() async throws {
        let folder = try TemporaryFolder("facts")
        let program = folder.file("agent")
        // Of another machine's form.
        try Data("\u{7f}ELF".utf8).write(to: URL(fileURLWithPath: program))
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program)
        let failure = await #expect(throws: SlotFailure.self) {
            _ = try await ProgramFacts.ask(program, Confinement(mode: .available), seconds: 2)
        }
        #expect(failure?.kind == .refused && failure?.code == "agentCheckFailed" && failure?.asked == .seconds(300))
        #expect(failure?.message.contains("cannot be executed") == true, "\(failure as Any)")
    }

    @Test(
        "is asked again where this box may have kept it from answering, and refused where it gives no answer",
        arguments: [
            ("kill -KILL $$", "memory is short", true), ("exec sleep 1000", "after 2 seconds", true),
            ("exit 3", "status 3", false), ("kill -SEGV $$", "signal 11", false),
            ("echo '{}'", "does not say what it is", false),
        ])
    func asked(script: String, says: String, isOfBox: Bool) async throws {
        let device = try await DeviceFixture()
        let bytes = Array("#!/bin/sh\n\(script)\n".utf8)
        let record = try await SlotFixtures.program(
            bytes, SlotFixtures.target("99.0.0", generation: 1), in: device.store)
        let programs = AgentPrograms(
            folder: ProgramFolder(data: device.folder.path), running: nil, installed: "/installed", trialSeconds: 5,
            describe: { try await ProgramFacts.ask($0, Confinement(mode: .available), seconds: 2) }, restart: {})
        let runtime = AgentSlot(programs: programs, store: device.store) { _ in }
        _ = try await runtime.startCandidate(record)
        var found: SlotFailure?
        do {
            try await runtime.probe(record, quick: false)
        } catch {
            found = error as? SlotFailure
        }
        let failure = try #require(found)
        #expect(failure.kind == (isOfBox ? .refused : .final), "\(failure)")
        #expect(failure.code == (isOfBox ? "agentCheckFailed" : "probeFailed"))
        #expect(failure.message.contains(says) && (failure.asked == .seconds(300)) == isOfBox)
        await device.close()
    }
}

import AgentEngine
import AgentStore
import Foundation
import MartletTypes
import TestSupport
import Testing

@Suite("A program of the agent that is launched")
struct LaunchedProgramTests {
    @Test("gets signals from its first instruction: whoever ends one that hangs need not kill it")
    func signals() async throws {
        let folder = try TemporaryFolder("launched")
        let blob = folder.file("blob")
        let script = "#!/bin/sh\ngrep SigBlk /proc/self/status\n"
        try script.write(toFile: blob, atomically: true, encoding: .utf8)
        let program = AgentProgram(digest: .of(Array(script.utf8)), version: try SemanticVersion("99.0.0"))
        let programs = ProgramFolder(data: folder.path)
        try programs.bring(program, from: blob)
        try programs.point(to: program)
        let run = try await run(Checkout.product("martlet-agent"), ["run", "--data", folder.path])
        #expect(run.output == "SigBlk:\t0000000000000000\n", "\(run)")
    }

    @Test("is not started, and no start of it counted, while an agent has the data folder")
    func locked() async throws {
        let folder = try TemporaryFolder("launched")
        let blob = folder.file("blob")
        let script = "#!/bin/sh\necho launched\n"
        try script.write(toFile: blob, atomically: true, encoding: .utf8)
        let program = AgentProgram(digest: .of(Array(script.utf8)), version: try SemanticVersion("99.0.0"))
        let programs = ProgramFolder(data: folder.path)
        try programs.bring(program, from: blob)
        try programs.point(to: program)
        let store = try await AgentStore.open(root: folder.path)
        let refused = try await run(Checkout.product("martlet-agent"), ["run", "--data", folder.path])
        #expect(refused.status == 69 && refused.errors.contains("[alreadyRunning]"), "\(refused)")
        #expect(programs.record.starts == nil)
        await store.close()
    }

    @Test(
        "is not given up where its owner's mistake ends it, however often",
        arguments: [(true, "notEnrolled"), (false, "invalidConfiguration")])
    func ownersMistake(isConfigured: Bool, code: String) async throws {
        let folder = try TemporaryFolder("launched")
        let bytes = try Data(contentsOf: URL(fileURLWithPath: Checkout.product("martlet-agent")))
        let program = AgentProgram(digest: .of(Array(bytes)), version: try SemanticVersion("99.0.0"))
        let programs = ProgramFolder(data: folder.path)
        try programs.bring(program, from: Checkout.product("martlet-agent"))
        try programs.point(to: program)
        let configuration = folder.file("agent.json")
        try (isConfigured ? "{}" : "{,}").write(toFile: configuration, atomically: true, encoding: .utf8)
        for _ in 0..<(ProgramFolder.endsInLoop + 2) {
            let run = try await run(
                Checkout.product("martlet-agent"), ["run", "--data", folder.path, "--config", configuration])
            #expect(run.status == 78 && run.errors.contains("[\(code)]"), "\(run)")
        }
        #expect(programs.current == program && programs.fall(of: program) == nil && programs.record.starts == nil)
    }
}

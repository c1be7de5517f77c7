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
}

import Foundation
import ModelRuntime
import TestSupport
import Testing

@Suite("Questions to the host")
struct HostQuestionTests {
    @Test("NVIDIA's tool is asked where its driver is, and nowhere else")
    func acceleratorTool() async throws {
        let folder = try TemporaryFolder("tool")
        let tool = folder.file("nvidia-smi")
        try Data("#!/bin/sh\necho \"$1 and $2\"\n".utf8).write(to: URL(fileURLWithPath: tool))
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: tool)
        func ask(driver: String, programs: [String]) async -> String? {
            await HostQuestions.acceleratorTool(arguments: ["--a", "--b"], driver: driver, programs: programs)
        }
        #expect(await ask(driver: folder.path, programs: ["/nonexistent", tool]) == "--a and --b\n")
        #expect(await ask(driver: folder.file("none"), programs: [tool]) == nil)
        #expect(await ask(driver: folder.path, programs: ["/nonexistent"]) == nil)
    }

    @Test("the kernel tells whether its clock is kept right")
    func clock() {
        #expect(HostQuestions.clockIsSynchronised() != nil)
    }
}

import TestSupport
import Testing

@Suite("Memory that only rare work needed")
struct IdleMemoryTests {
    @Test("constants that the linker left writable are let go of and come back; what was written among them stays")
    func constants() async throws {
        let folder = try TemporaryFolder("im")
        let program = folder.file("constants")
        let sources = Checkout.root + "/Sources/CProcess"
        try await CCompiler.build([
            "-O1", "-fuse-ld=lld", "-I", sources + "/include", "-I", sources, "-o", program,
            sources + "/footprint.c", sources + "/constants.c", Checkout.fixture("c/constants.c"),
        ])
        let said = try await run(program, [])
        #expect(said.status == 0, "\(said.errors)")
        #expect(
            said.output.split(separator: "\n") == [
                "whole 1 1", "present 1 1", "released 0", "present 0 0", "whole 1 1 written 42",
                "released 0 written 43", "signal 11",
            ])
    }
}

import MartletTypes
import ModelRuntime
import TestSupport
import Testing

@Suite("Declared engines")
struct ProcessEngineTests {
    private func engine(_ command: [String], readable: [String] = []) -> ProcessEngine {
        ProcessEngine(
            name: "onnx", command: command, environment: ["B": "2", "A": "1"], readable: readable,
            traits: EngineTraits(speaks: .http, formats: ["onnx"]))
    }

    private func spec(_ models: [String], threads: Int? = 3) throws -> EngineSpec {
        EngineSpec(
            slot: try SlotName("vitals"), generation: 1, engine: "onnx", modelPaths: models,
            settings: SlotSettings(threads: threads), socketPath: "/run/x/e.sock", logPath: "/run/x/log")
    }

    private func command(_ engine: ProcessEngine, _ spec: EngineSpec) throws -> EngineCommand {
        try EngineCommand(
            spec, binary: EngineBinary(name: "onnx", path: engine.command[0], version: nil, process: engine),
            folder: "/run/x")
    }

    @Test("placeholders are filled once, whatever stands in a path; every file of a model is an argument of its own")
    func placeholders() throws {
        let engine = engine([
            "/opt/e/bin/serve", "/opt/e/serve.py", "--m={model}", "{models}", "{socket}", "{threads}{slot}",
        ])
        let command = try command(engine, try spec(["/g/{socket}.onnx", "/g/b.data"]))
        #expect(
            command.arguments == [
                "/opt/e/bin/serve", "/opt/e/serve.py", "--m=/g/{socket}.onnx", "/g/{socket}.onnx", "/g/b.data",
                "/run/x/e.sock", "3vitals",
            ])
        #expect(command.environment.suffix(2) == ["A=1", "B=2"])
        #expect(!command.environment.contains { $0.hasPrefix("MARTLET") })
    }

    @Test("it may read its model, the folder of its program, its scripts and what its owner names; nothing else")
    func readable() throws {
        let engine = engine(["/opt/e/bin/serve", "/srv/serve.py", "{folder}/x", "{socket}"], readable: ["/opt/data"])
        let command = try command(engine, try spec(["/g/a.onnx"], threads: nil))
        #expect(Set(command.readable) == ["/opt/e", "/g/a.onnx", "/srv/serve.py", "/opt/data"])
    }

    @Test(
        "a command that cannot be one is refused",
        arguments: [
            ([], "absolute path"), (["serve", "{model}", "{socket}"], "absolute path"),
            (["/serve", "{model}"], "lacks {socket}"), (["/serve", "{socket}"], "lacks {model}"),
            (["/serve", "--all={models}", "{socket}"], "part of an argument"),
            (["/serve", "{model}", "{socket}"] + Array(repeating: "x", count: 64), "more than 64"),
        ])
    func faults(command: [String], fault: String) throws {
        #expect(try #require(engine(command).fault).contains(fault))
    }

    @Test("a command with all it needs is taken")
    func sound() { #expect(engine(["/serve", "{folder}", "{socket}"]).fault == nil) }

    @Test("a version comes from the owner or the program; an unknown name is refused with those that are known")
    func versions() async throws {
        var told = engine(["/bin/sh", "{model}", "{socket}"])
        told.version = try SemanticVersion("2.1.0")
        var asked = ProcessEngine(
            name: "asked", command: ["/bin/sh", "{model}", "{socket}"],
            versionCommand: ["/bin/echo", "server", "v1.4.2-rc.1", "(build 7)"],
            traits: EngineTraits(speaks: .http, formats: ["x"]))
        let missing = ProcessEngine(
            name: "missing", command: ["/nonexistent/serve", "{model}", "{socket}"], traits: EngineTraits())
        let engines = InstalledEngines(
            locate: { () throws(RuntimeError) in throw RuntimeError(.engineMissing, "none") },
            declared: [told, asked, missing])
        #expect(await engines.versions(anew: false) == ["onnx": "2.1.0", "asked": "1.4.2-rc.1"])
        asked.versionCommand = ["/bin/echo", "no version"]
        let silent = InstalledEngines(
            locate: { () throws(RuntimeError) in throw RuntimeError(.engineMissing, "none") }, declared: [asked])
        #expect(await silent.versions(anew: true) == ["asked": "unknown"])
        await #expect { _ = try await engines.binary("other") } throws: { error in
            (error as? RuntimeError)?.message.contains("allowed: llama.cpp, asked, missing, onnx") == true
        }
        #expect(engines.traits("onnx").speaks == .http && engines.traits("llama.cpp").speaks == .openai)
    }
}

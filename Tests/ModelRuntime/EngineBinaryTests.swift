import Foundation
import MartletTypes
import Synchronization
import TestSupport
import Testing

@testable import ModelRuntime

@Suite("Engines on a device")
struct EngineBinaryTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder("engines") }

    /// An executable file that prints `version` when it is asked.
    @discardableResult
    private func install(_ name: String, version: String = "1.0.0", help: String = "") throws -> String {
        let path = folder.file(name)
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        let script = """
            #!/bin/sh
            case $1 in
            --version) echo 'version: \(version) (test)' >&2 ;;
            --help) cat <<'EOF'
            \(help)
            EOF
            ;;
            esac

            """
        let new = path + ".new"
        let made = FileManager.default.createFile(
            atPath: new, contents: Data(script.utf8), attributes: [.posixPermissions: 0o755])
        #expect(made && rename(new, path) == 0)
        return path
    }

    @Test(
        "versions are read from what engines print",
        arguments: [
            ("version: 0.7.0 (build 11669, commit Debian)\nbuilt with GNU", "0.7.0"),
            ("version: 4719 (abc)\n", "0.0.4719"),
            ("ggml: loading\nversion: 1.2.3-rc.1 (x)", "1.2.3-rc.1"), ("version:", nil), ("", nil),
            ("version: x.y.z", nil),
        ])
    func versions(output: String, version: String?) {
        #expect(EngineBinary.version(in: output) == version)
    }

    @Test(
        "flags are known where the help explains them, not where it mentions them",
        arguments: [
            (
                """
                -lm,   --load-mode MODE                 model loading mode (default: auto), was --no-mmap
                --repack, -nr, --no-repack              whether to enable weight repacking (default: enabled)
                                                        --cache-ram is something else
                -cram, --cache-ram N                    set the maximum cache size in MiB (default: 8192)
                """, [.loadMode, .noRepack, .cacheRAM]
            ),
            (
                """
                --mlock                                 force system to keep model in RAM
                --no-mmap                               do not memory-map model (slower load)
                """, [.noMmap]
            ),
            (
                "-fa,   --flash-attn [on|off|auto]        set Flash Attention use ('on', 'off', or 'auto')",
                [.flashAttention]
            ), ("-fa,   --flash-attn                     enable Flash Attention", [.flashAttentionSwitch]),
            ("", []), ("usage: llama-server --load-mode", []), ("--load-modes X", []),
        ] as [(String, Set<EngineFlag>)])
    func flags(help: String, flags: Set<EngineFlag>) {
        #expect(EngineFlag.known(in: help) == flags)
    }

    @Test("the real engine tells its version and the flags of today")
    func real() async throws {
        let engine = try await llamaServer()
        let version = try #require(engine.version)
        #expect(throws: Never.self) { try SemanticVersion(version) }
        if try SemanticVersion(version) >= SemanticVersion("0.5.0") {
            #expect(engine.flags == [.loadMode, .noRepack, .cacheRAM, .cacheTypeK, .cacheTypeV, .flashAttention])
        }
    }

    @Test("a missing engine is a clear error that says what to do")
    func missing() async throws {
        let error = await #expect(throws: RuntimeError.self) {
            try await EngineBinary.probe(path: "/nonexistent/llama")
        }
        #expect(error?.code == "engineMissing" && error?.remedy.contains("MARTLET_LLAMA_SERVER") == true)
        try install("bin/llama-server")
        let path = ["PATH": folder.file("bin")]
        let cases: [(EngineLookup, String)] = [
            (
                EngineLookup(environment: ["PATH": "/nonexistent", "HOME": "/nonexistent"]),
                "/nonexistent/.cache/martlet/llama.cpp/bin/llama-server"
            ),
            (EngineLookup(named: "/nonexistent/named", environment: path), "/nonexistent/named"),
            (
                EngineLookup(environment: path.merging(["MARTLET_LLAMA_SERVER": "/nonexistent/v"]) { $1 }),
                "/nonexistent/v"
            ),
        ]
        for (lookup, named) in cases {
            let error = #expect(throws: RuntimeError.self) { try lookup.path() }
            #expect(error?.code == "engineMissing" && error?.message.contains(named) == true)
            #expect(error?.remedy.isEmpty == false)
        }
    }

    @Test("the engine is the one that is named, then the variable's, then that in PATH, then that in the cache")
    func lookup() throws {
        let cached = try install("cache/martlet/llama.cpp/bin/llama-server")
        var environment = ["XDG_CACHE_HOME": folder.file("cache"), "PATH": "/nonexistent:\(folder.file("bin"))"]
        #expect(try EngineLookup(environment: environment).path() == cached)
        let inPath = try install("bin/llama-server")
        #expect(try EngineLookup(environment: environment).path() == inPath)
        let variable = try install("own")
        environment["MARTLET_LLAMA_SERVER"] = variable
        #expect(try EngineLookup(environment: environment).path() == variable)
        #expect(try EngineLookup(named: inPath, environment: environment).path() == inPath)
    }

    @Test("an engine that was installed, replaced or removed while the agent runs is seen")
    func changes() async throws {
        let path = folder.file("bin/llama-server")
        let asked = Mutex(0)
        let lookup = EngineLookup(environment: ["PATH": folder.file("bin")])
        let engines = InstalledEngines(
            locate: { () throws(RuntimeError) in try lookup.path() },
            probe: { path throws(RuntimeError) in
                asked.withLock { $0 += 1 }
                return try await EngineBinary.probe(path: path)
            })
        #expect(await engines.versions(anew: true) == [:])
        try install("bin/llama-server", help: "--load-mode MODE  how")
        #expect(try await engines.binary("llama.cpp").version == "1.0.0")
        #expect(try await engines.binary("llama.cpp").flags == [.loadMode])
        #expect(await engines.versions(anew: false) == ["llama.cpp": "1.0.0"])
        #expect(asked.withLock { $0 } == 1)
        try install("bin/llama-server", version: "2.0.0")
        #expect(try await engines.binary("llama.cpp").version == "2.0.0")
        #expect(asked.withLock { $0 } == 2)
        #expect(try await engines.binary("llama.cpp", anew: true).version == "2.0.0")
        #expect(asked.withLock { $0 } == 3)
        #expect(unlink(path) == 0)
        let error = await #expect(throws: RuntimeError.self) { try await engines.binary("llama.cpp") }
        #expect(error?.code == "engineMissing")
        #expect(await engines.versions(anew: false) == [:])
        let other = await #expect(throws: RuntimeError.self) { try await engines.binary("vllm") }
        #expect(other?.message.contains("allowed: llama.cpp") == true)
    }
}

@Suite("Command lines of engines")
struct LlamaArgumentsTests {
    private func arguments(
        _ flags: Set<EngineFlag>, _ change: (inout EngineSpec) -> Void = { _ in }
    ) throws -> [String] {
        var spec = EngineSpec(
            slot: try SlotName("triage"), generation: 1, modelPaths: ["/m.gguf"], socketPath: "/e.sock",
            logPath: "/l.log")
        change(&spec)
        let all = try LlamaArguments.make(
            spec, binary: EngineBinary(path: "/llama-server", version: nil, flags: flags))
        let plain: [String] = [
            "/llama-server", "--host", "/e.sock", "--model", "/m.gguf", "--alias", "triage", "--parallel", "1",
        ]
        #expect(Array(all.prefix(plain.count)) == plain)
        return all.dropFirst(plain.count).filter { !["--no-ui", "--offline", "--metrics"].contains($0) }
    }

    @Test(
        "how weights are loaded is said in the words that the engine knows",
        arguments: [
            (WeightLoading(), [.loadMode, .noRepack], []),
            (WeightLoading(isMapped: true), [.loadMode], ["--load-mode", "mmap"]),
            (WeightLoading(isMapped: false), [.loadMode], ["--load-mode", "none"]),
            (WeightLoading(isMapped: true), [.noMmap], []), (WeightLoading(isMapped: false), [.noMmap], ["--no-mmap"]),
            (WeightLoading(isMapped: false), [.loadMode, .noMmap], ["--load-mode", "none"]),
            (WeightLoading(isMapped: false, mayRepack: false), [], []),
            (
                WeightLoading(isMapped: true, mayRepack: false), [.loadMode, .noRepack],
                ["--load-mode", "mmap", "--no-repack"]
            ),
            (
                WeightLoading(cacheType: "q8_0"), [.cacheTypeK, .cacheTypeV],
                ["--cache-type-k", "q8_0", "--cache-type-v", "q8_0"]
            ), (WeightLoading(cacheType: "q8_0"), [.cacheTypeK], []),
            (WeightLoading(flashAttention: true), [.flashAttention], ["--flash-attn", "on"]),
            (WeightLoading(flashAttention: false), [.flashAttention], ["--flash-attn", "off"]),
            (WeightLoading(flashAttention: true), [.flashAttentionSwitch], ["--flash-attn"]),
            (WeightLoading(flashAttention: false), [.flashAttentionSwitch], []),
            (WeightLoading(), [.flashAttention, .flashAttentionSwitch], []),
            (WeightLoading(flashAttention: true), [], []),
            (
                WeightLoading(cacheType: "q8_0"), [.cacheTypeK, .cacheTypeV, .flashAttentionSwitch],
                ["--cache-type-k", "q8_0", "--cache-type-v", "q8_0", "--flash-attn"]
            ), (WeightLoading(cacheType: "f16"), [.flashAttentionSwitch], []),
        ] as [(WeightLoading, Set<EngineFlag>, [String])])
    func loading(loading: WeightLoading, known: Set<EngineFlag>, expected: [String]) throws {
        #expect(try arguments(known) { $0.loading = loading } == expected)
    }

    @Test("the prompt cache is turned off where there is one")
    func promptCache() throws {
        #expect(try arguments([.cacheRAM]) == ["--cache-ram", "0"])
        #expect(try arguments([]) == [])
    }

    @Test(
        "embeddings are asked for with their pooling, and a batch that holds a whole text",
        arguments: [
            (.last, 4096, ["--embeddings", "--pooling", "last"]),
            (.mean, 1024, ["--embeddings", "--pooling", "mean", "--batch-size", "1024", "--ubatch-size", "1024"]),
            (.cls, 8192, ["--embeddings", "--pooling", "cls", "--batch-size", "2048", "--ubatch-size", "2048"]),
        ] as [(Pooling, Int, [String])])
    func pooling(pooling: Pooling, context: Int, expected: [String]) throws {
        let found = try arguments([]) { $0.settings = SlotSettings(contextTokens: context, pooling: pooling) }
        #expect(found == ["--ctx-size", String(context)] + expected)
    }
}

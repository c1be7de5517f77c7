import DeviceProfiles
import Foundation
import MartletTypes
import TestSupport
import Testing

@Suite("Variant choice")
struct VariantChoiceTests {
    private func candidate(
        _ quantization: String, mebibytes: Int64 = 40, minMemory: Int64 = 50, os: String? = nil,
        architecture: String? = nil,
        features: [String] = [], engine: String = "llama.cpp", minVersion: String? = nil
    ) throws -> VariantCandidate {
        VariantCandidate(
            name: quantization, os: os, architecture: architecture, quantization: quantization,
            fileSize: .mebibytes(mebibytes), minMemory: .mebibytes(minMemory), cpuFeatures: features,
            engine: EngineRequirement(name: engine, minVersion: try minVersion.map { try SemanticVersion($0) }))
    }

    private func choose(
        _ candidates: [VariantCandidate], memory: Int64 = 1000, disk: Int64 = 1000, engines: [String: String]? = nil
    ) throws -> VariantChoice {
        let facts = try HardwareTree.board("raspberry-pi-5")
        return VariantChoice.choose(
            candidates, facts: facts, profile: try ProfileCatalog.embedded().match(facts),
            freeMemory: .mebibytes(memory), freeDisk: .mebibytes(disk), engines: engines ?? ["llama.cpp": "0.7.0"])
    }

    @Test("the profile's order decides among what fits, with its reason")
    func preference() throws {
        let choice = try choose([try candidate("Q8_0"), try candidate("Q4_0"), try candidate("Q4_K_M")])
        #expect(choice.chosen?.quantization == "Q4_0")
        #expect(choice.verdicts.map(\.code) == ["fits", "chosen", "fits"])
        #expect(choice.verdicts[1].reason.contains("dotprod"))
        #expect(choice.verdicts[0].reason == "fits; Q4_0 is preferred on raspberry-pi-5")
    }

    @Test("what does not fit is passed over for what does")
    func fallback() throws {
        let choice = try choose(
            [try candidate("Q4_0", minMemory: 98), try candidate("Q8_0", minMemory: 30)], memory: 40)
        #expect(choice.chosen?.quantization == "Q8_0")
        #expect(choice.verdicts[0].refusals == [.notEnoughMemory(needs: .mebibytes(98), has: .mebibytes(40))])
        #expect(choice.verdicts[0].reason == "needs 98.0 MiB of memory, may take 40.0 MiB")
    }

    @Test("among what the profile does not list the larger file is taken")
    func unlisted() throws {
        let choice = try choose([try candidate("IQ2_XXS", mebibytes: 20), try candidate("Q6_K", mebibytes: 60)])
        #expect(choice.chosen?.quantization == "Q6_K")
        #expect(try choose([]).chosen == nil)
    }

    @Test(
        "each requirement refuses with its number",
        arguments: [
            (
                "amd64", nil as String?, [String](), "llama.cpp", nil as String?, "wrongPlatform",
                "needs linux/amd64, this is linux/arm64"
            ),
            (nil, "windows", [], "llama.cpp", nil, "wrongPlatform", "needs windows/arm64, this is linux/arm64"),
            (
                nil, nil, ["dotprod", "i8mm", "sve"], "llama.cpp", nil, "missingCPUFeatures",
                "the processor lacks i8mm, sve"
            ),
            (nil, nil, [], "mlc", nil, "engineMissing", "needs the engine mlc, which is not installed"),
            (nil, nil, [], "llama.cpp", "0.8.0", "engineTooOld", "needs llama.cpp 0.8.0, installed is 0.7.0"),
            ("unknown", "unknown", ["neon"], "llama.cpp", "0.7.0", "chosen", "Rearranged for dotprod"),
        ])
    func requirements(
        architecture: String?, os: String?, features: [String], engine: String, minVersion: String?, code: String,
        reason: String
    ) throws {
        let candidate = try candidate(
            "Q4_0", os: os, architecture: architecture, features: features, engine: engine, minVersion: minVersion)
        let verdict = try choose([candidate]).verdicts[0]
        #expect(verdict.code == code)
        #expect(verdict.reason.contains(reason), "\(verdict.reason)")
        #expect(try JSONText.decode(VariantVerdict.self, from: JSONText.encode(verdict)) == verdict)
    }

    @Test("all that is wrong with a variant is told")
    func several() throws {
        let candidate = try candidate("Q4_0", mebibytes: 500, minMemory: 600, architecture: "amd64", engine: "mlc")
        let verdict = try choose([candidate], memory: 100, disk: 100).verdicts[0]
        #expect(
            verdict.refusals.map(\.code) == ["wrongPlatform", "engineMissing", "notEnoughMemory", "notEnoughDisk"])
    }

    @Test("an engine whose version is none is too old for a variant that asks for one")
    func oddVersion() throws {
        let asking = try candidate("Q4_0", minVersion: "0.5.0")
        #expect(try choose([asking], engines: ["llama.cpp": "b4711"]).verdicts[0].code == "engineTooOld")
        #expect(try choose([try candidate("Q4_0")], engines: ["llama.cpp": "b4711"]).chosen != nil)
    }

    @Test("blobs that are here already need no room on the disk")
    func missingBytes() throws {
        var candidate = try candidate("Q4_0", mebibytes: 500)
        #expect(try choose([candidate], disk: 100).chosen == nil)
        candidate.missingBytes = .mebibytes(5)
        #expect(try choose([candidate], disk: 100).chosen != nil)
    }

    @Test("the estimate counts where it is above the publisher's figure, and follows the slot's settings")
    func estimate() throws {
        var candidate = try candidate("Q4_1", minMemory: 1)
        candidate.shape = MemoryEstimateTests.smol(MemoryEstimateTests.q41)
        let facts = try HardwareTree.board("raspberry-pi-5")
        let profile = try ProfileCatalog.embedded().match(facts)
        func memory(_ settings: SlotSettings) -> ByteCount {
            VariantChoice.choose(
                [candidate], facts: facts, profile: profile, freeMemory: .mebibytes(4000), freeDisk: .mebibytes(1000),
                engines: ["llama.cpp": "0.7.0"], settings: settings
            ).verdicts[0].memory
        }
        #expect(memory(SlotSettings()) > .mebibytes(170))
        #expect(memory(SlotSettings(contextTokens: 8192)) > memory(SlotSettings()) + .mebibytes(120))
        #expect(memory(SlotSettings(parallelRequests: 4)) > memory(SlotSettings()) + .mebibytes(120))
    }

    @Test(
        "over random releases and devices: what is chosen fits, what fits is not left, more memory never hurts"
    )
    func properties() throws {
        let environment = ProcessInfo.processInfo.environment
        let seed = environment["MARTLET_SEED"].flatMap(UInt64.init) ?? UInt64.random(in: 0 ... .max)
        print("variant choice: MARTLET_SEED=\(seed)")
        var random = SeededGenerator(seed: seed)
        let profiles = try ProfileCatalog.embedded().profiles
        for _ in 0..<1000 * (environment["MARTLET_SCALE"].flatMap(Int.init) ?? 1) {
            let profile = profiles[Int.random(in: 0..<profiles.count, using: &random)]
            let total = Int64.random(in: 0...16_000, using: &random)
            let facts = HardwareFacts(
                architecture: Bool.random(using: &random) ? "arm64" : "amd64",
                cpu: .init(cores: 4, features: Bool.random(using: &random) ? ["neon"] : ["avx2"]),
                memory: .init(total: .mebibytes(total)))
            let free = ByteCount.mebibytes(Int64.random(in: 0...8000, using: &random))
            let disk = ByteCount.mebibytes(Int64.random(in: 0...8000, using: &random))
            let candidates = try (0..<Int.random(in: 0...6, using: &random)).map { try randomCandidate($0, &random) }
            func choose(_ memory: ByteCount) -> VariantChoice {
                VariantChoice.choose(
                    candidates, facts: facts, profile: profile, freeMemory: memory, freeDisk: disk,
                    engines: ["llama.cpp": "0.7.0"])
            }
            let choice = choose(free)
            #expect(choice.verdicts.count == candidates.count, "seed \(seed)")
            #expect((choice.chosen == nil) == !choice.verdicts.contains { $0.fits }, "seed \(seed)")
            #expect(choice.verdicts.count(where: \.chosen) == (choice.chosen == nil ? 0 : 1), "seed \(seed)")
            for (candidate, verdict) in zip(candidates, choice.verdicts) where verdict.fits {
                #expect(
                    verdict.memory <= free && verdict.memory <= profile.memoryBudget(of: .mebibytes(total)),
                    "seed \(seed)")
                #expect(candidate.missingBytes <= disk && verdict.memory >= candidate.minMemory, "seed \(seed)")
                #expect(candidate.architecture == nil || candidate.architecture == facts.architecture, "seed \(seed)")
                #expect(Set(candidate.cpuFeatures).isSubset(of: facts.cpu.features), "seed \(seed)")
                #expect(candidate.engine.name == "llama.cpp", "seed \(seed)")
            }
            for (before, after) in zip(choice.verdicts, choose(free + .mebibytes(1000)).verdicts) {
                #expect(!before.fits || after.fits, "seed \(seed)")
            }
        }
    }

    private func randomCandidate(_ index: Int, _ random: inout SeededGenerator) throws -> VariantCandidate {
        let quantizations = ["Q4_0", "Q4_K_M", "Q8_0", "F16", "IQ2_XXS", "Q4_1"]
        var candidate = try candidate(
            quantizations[Int.random(in: 0..<quantizations.count, using: &random)],
            mebibytes: Int64.random(in: 0...6000, using: &random),
            minMemory: Int64.random(in: 0...6000, using: &random),
            architecture: [nil, nil, "arm64", "amd64"][Int.random(in: 0..<4, using: &random)],
            features: [[], [], ["neon"], ["avx2"]][Int.random(in: 0..<4, using: &random)],
            engine: Int.random(in: 0..<8, using: &random) == 0 ? "other" : "llama.cpp")
        candidate.name = "variant-\(index)"
        if Bool.random(using: &random) { candidate.shape = MemoryEstimateTests.smol(MemoryEstimateTests.q40) }
        return candidate
    }
}

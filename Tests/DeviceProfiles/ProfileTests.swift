import DeviceProfiles
import Foundation
import MartletTypes
import TestSupport
import Testing

@Suite("Device profiles")
struct ProfileTests {
    private static let folder = URL(fileURLWithPath: Checkout.root + "/device-profiles")

    @Test("the profiles carried in the program are those of the folder, and all load")
    func embedded() throws {
        let catalog = try ProfileCatalog.embedded()
        let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
            .filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(5)) }
        #expect(catalog.profiles.map(\.id).sorted() == files.sorted())
    }

    @Test(
        "hardware finds its profile",
        arguments: [
            ("raspberry-pi-4", "raspberry-pi-4"), ("raspberry-pi-5", "raspberry-pi-5"),
            ("raspberry-pi-zero-2w", "raspberry-pi-zero-2w"), ("jetson-orin-nano", "jetson-orin"),
            ("rock-5b", "rk3588"), ("aws-graviton3", "arm64-i8mm"), ("intel-n100", "intel-n-series"),
            ("amd-v1605b", "amd-embedded"), ("pc-with-rtx", "generic-x86_64"), ("container", "generic-x86_64"),
            ("epyc-vm", "x86_64-avx512"),
        ])
    func matching(tree: String, id: String) throws {
        let facts = try HardwareTree.board(tree)
        #expect(try ProfileCatalog.embedded().match(facts).id == id)
    }

    @Test("every profile is the one for some hardware, and no two of a kind claim the same")
    func reachable() throws {
        let catalog = try ProfileCatalog.embedded()
        #expect(catalog.profiles.count >= 10)
        for profile in catalog.profiles {
            var facts = HardwareFacts(architecture: profile.match.architecture ?? "amd64")
            facts.cpu.features = profile.match.cpuFeatures ?? []
            facts.cpu.model = profile.match.cpuModel?.first.map { $0.hasSuffix("*") ? $0.dropLast() + "7" : $0 }
            facts.memory.total = .mebibytes(Int64(profile.match.memoryAtMostMiB ?? 8192))
            let compatible = profile.match.boardCompatible ?? []
            facts.board = compatible.isEmpty ? nil : .init(compatible: [compatible[0]])
            #expect(try catalog.match(facts).id == profile.id)
        }
    }

    @Test("what a profile says of rearranging, loading and heat holds together")
    func consistent() throws {
        for profile in try ProfileCatalog.embedded().profiles {
            let engine = profile.engine
            #expect(engine.repack || engine.repackedTypes.isEmpty, "\(profile.id) lists types it does not rearrange")
            // Two copies of the weights are taken into account where they are, and avoided where ARM rearranges.
            if profile.match.architecture == "arm64", !engine.repackedTypes.isEmpty {
                #expect(engine.loadMode == .none, "\(profile.id) holds weights twice")
            }
            for preference in profile.preferredQuantizations {
                #expect(preference.reason.hasSuffix(".") && preference.reason.count > 20, "\(profile.id)")
            }
        }
    }

    @Test("unknown hardware is told why nothing matches")
    func noMatch() throws {
        let error = try #require(throws: DeviceProfileError.self) {
            try ProfileCatalog.embedded().match(HardwareFacts(architecture: "riscv64"))
        }
        #expect(error.reason == .noProfileMatches)
        #expect(error.message.contains("generic-arm64 does not match: the architecture is riscv64, not arm64"))
        #expect(throws: DeviceProfileError.self) { try ProfileCatalog.embedded().profile("toaster") }
    }

    @Test(
        "each condition counts",
        arguments: [
            (ProfileMatch(), true), (ProfileMatch(architecture: "arm64"), true),
            (ProfileMatch(architecture: "amd64"), false),
            (ProfileMatch(boardCompatible: ["x", "raspberrypi,5-model-b"]), true),
            (ProfileMatch(boardCompatible: ["raspberrypi,4-model-b"]), false),
            (ProfileMatch(boardModel: ["Raspberry Pi 5*"]), true),
            (ProfileMatch(boardModel: ["Raspberry Pi 5"]), false),
            (ProfileMatch(cpuFeatures: ["neon", "dotprod"]), true),
            (ProfileMatch(cpuFeatures: ["neon", "i8mm"]), false),
            (ProfileMatch(cpuModel: ["x", "Raspberry*"]), true), (ProfileMatch(cpuModel: ["Intel*"]), false),
            (ProfileMatch(accelerators: ["broadcom"]), true), (ProfileMatch(accelerators: ["nvidia"]), false),
            (ProfileMatch(memoryAtLeastMiB: 4000), true), (ProfileMatch(memoryAtLeastMiB: 16_000), false),
            (ProfileMatch(memoryAtMostMiB: 16_000), true), (ProfileMatch(memoryAtMostMiB: 4000), false),
            (ProfileMatch(architecture: "arm64", cpuFeatures: ["sve"]), false),
        ])
    func conditions(match: ProfileMatch, holds: Bool) throws {
        let facts = try HardwareTree.board("raspberry-pi-5")
        #expect((match.mismatch(facts) == nil) == holds, "\(match.mismatch(facts) ?? "matches")")
    }

    @Test("the higher priority wins, then the id")
    func priority() throws {
        var profiles = try ProfileCatalog.embedded().profiles
        #expect(profiles.map(\.priority) == profiles.map(\.priority).sorted(by: >))
        profiles.append(profiles[0])
        let error = try #require(throws: DeviceProfileError.self) { try ProfileCatalog(profiles) }
        #expect(error.reason == .duplicateProfile)
    }

    /// A sound profile as JSON with one change.
    private func changed(_ change: (inout [String: Any]) -> Void) throws -> [UInt8] {
        let profile = try ProfileCatalog.embedded().profile("raspberry-pi-5")
        var object = try #require(
            JSONSerialization.jsonObject(with: Data(JSONText.encode(profile))) as? [String: Any])
        change(&object)
        return Array(try JSONSerialization.data(withJSONObject: object))
    }

    @Test(
        "a wrong profile is refused, naming the field",
        arguments: [
            ("priority", -1 as any Sendable, "priority"), ("title", "", "title"), ("title", 5, "title"),
            ("prioritty", 5, "prioritty"), ("memory", ["sharePercent": 0, "reserveMiB": 0], "memory.sharePercent"),
            ("memory", ["sharePercent": 50], "memory.reserveMiB"),
            ("memory", ["sharePercent": 50, "reserveMiB": 1, "reserve": 2], "memory.reserve"),
            ("threads", ["sharePercent": 101], "threads.sharePercent"),
            ("preferredQuantizations", [String](), "preferredQuantizations"),
            (
                "preferredQuantizations", [["name": "Q4_0", "reason": "a"], ["name": "Q4_0", "reason": "b"]],
                "preferredQuantizations"
            ),
            ("preferredQuantizations", [["name": "Q4_0", "reason": ""]], "reason"),
            ("match", ["cpuFeatures": ["asimddp"]], "match.cpuFeatures"),
            (
                "thermal",
                ["zones": [String](), "pauseBackgroundCelsius": 90, "refuseStartCelsius": 80] as [String: any Sendable],
                "thermal"
            ),
            ("id", "other", "id"),
        ])
    func refused(key: String, value: any Sendable, field: String) throws {
        let json = try changed { $0[key] = value }
        let error = try #require(throws: DeviceProfileError.self) {
            try DeviceProfile(json: json, name: "raspberry-pi-5")
        }
        #expect(error.message.contains(field), "\(error)")
    }

    @Test("what is no JSON, and what is too long, is refused")
    func notJSON() throws {
        for json in [[], Array("{".utf8), Array("[]".utf8), [UInt8](repeating: 0x20, count: 70_000)] {
            #expect(throws: DeviceProfileError.self) { try DeviceProfile(json: json, name: "x") }
        }
    }

    @Test("the schema describes exactly the fields that are read")
    func schema() throws {
        let schema = try JSONValue(parsing: Array(Data(contentsOf: Self.folder.appendingPathComponent("schema.json"))))
        var profile = try ProfileCatalog.embedded().profile("raspberry-pi-5")
        profile.match = ProfileMatch(
            architecture: "arm64", boardCompatible: ["a"], boardModel: ["b"], cpuFeatures: ["neon"],
            accelerators: ["c"],
            memoryAtLeastMiB: 1, memoryAtMostMiB: 2)
        profile.match.cpuModel = ["d"]
        profile.engine.cacheType = .q8_0
        profile.engine.flashAttention = true
        let document = try JSONValue(parsing: JSONText.encode(profile))
        #expect(schemaFields(schema) == documentFields(document))
    }

    private func schemaFields(_ schema: JSONValue, _ path: String = "") -> Set<String> {
        var fields: Set<String> = []
        for (name, part) in schema["properties"]?.object ?? schema["items"]?["properties"]?.object ?? [:] {
            fields.insert(path + name)
            fields.formUnion(schemaFields(part, path + name + "."))
        }
        return fields
    }

    private func documentFields(_ value: JSONValue, _ path: String = "") -> Set<String> {
        var fields: Set<String> = []
        for (name, part) in value.object ?? value.array?.first?.object ?? [:] {
            fields.insert(path + name)
            fields.formUnion(documentFields(part, path + name + "."))
        }
        return fields
    }

    @Test(
        "budgets, threads and rooms are never negative and never more than there is",
        arguments: [
            (0 as Int64, 0 as Int64), (100, 100), (384, 300), (512, 400), (1000, 900), (8192, 7000), (1 << 20, 1 << 19),
        ])
    func budgets(total: Int64, available: Int64) throws {
        for profile in try ProfileCatalog.embedded().profiles {
            let memory = HardwareFacts.Memory(total: .mebibytes(total), available: .mebibytes(available))
            let budget = profile.memoryBudget(of: .mebibytes(total))
            #expect(budget >= .zero && budget <= .mebibytes(total))
            let room = profile.memoryRoom(memory, otherSlots: .mebibytes(100))
            #expect(room >= .zero && room <= budget && room <= .mebibytes(available))
            #expect((1...64).contains(profile.engineThreads(cores: Int(total % 64 + 1))))
        }
        #expect(try ProfileCatalog.embedded().profiles[0].memoryRoom(HardwareFacts.Memory()) == .zero)
    }

    @Test(
        "What is left free on a disk is the profile's reserve, of a small disk a quarter",
        arguments: [(100_000, 2048), (8192, 2048), (4096, 1024), (0, 0)] as [(Int64, Int64)])
    func diskReserve(total: Int64, reserve: Int64) throws {
        let profile = try ProfileCatalog.embedded().profile("jetson-orin")
        #expect(profile.diskReserve(of: .mebibytes(total)) == .mebibytes(reserve))
        #expect(profile.diskReserve(of: nil) == .mebibytes(2048))
        let storage = HardwareFacts.Storage(
            path: "/", total: .mebibytes(total), free: .mebibytes(total), kind: .unknown)
        #expect(profile.diskRoom(storage) == .mebibytes(total - reserve))
    }

    @Test(
        "heat pauses background work, then starts",
        arguments: [
            (52_000, ThermalState.cool), (76_000, .pauseBackground), (84_000, .tooHotToStart),
        ])
    func heat(milliCelsius: Int, state: ThermalState) throws {
        let profile = try ProfileCatalog.embedded().profile("raspberry-pi-5")
        let zones = [HardwareFacts.ThermalZone(name: "cpu-thermal", milliCelsius: milliCelsius)]
        #expect(profile.thermalState(zones) == state)
        #expect(profile.thermalState([.init(name: "other", milliCelsius: 99_000)]) == .cool)
        #expect(try ProfileCatalog.embedded().profile("generic-x86_64").thermalState(zones) == .cool)
        #expect(profile.thermalState([]) == .cool)
    }
}

import DeviceProfiles
import Foundation
import MartletAPI
import MartletTypes
import Testing

@Suite("Explaining a device's choice to operators")
struct DeviceExplanationTests {
    private func candidate(_ quantization: String, memory: Int64, architecture: String? = nil) -> VariantCandidate {
        VariantCandidate(
            name: digest(quantization), architecture: architecture, quantization: quantization,
            fileSize: .mebibytes(memory / 2), minMemory: .mebibytes(memory),
            engine: EngineRequirement(name: "llama.cpp", minVersion: nil))
    }

    private func digest(_ name: String) -> String {
        "sha256:" + (name.utf8.map { String($0, radix: 16) }.joined() + String(repeating: "0", count: 64)).prefix(64)
    }

    private func inventory(room: Int64? = 600, disk: Int64? = 900) throws -> Inventory {
        var facts = HardwareFacts(architecture: "arm64")
        facts.memory = .init(total: .mebibytes(4096), available: .mebibytes(3000))
        facts.storage = [.init(path: "/", total: .mebibytes(30_000), free: .mebibytes(20_000))]
        var inventory = Inventory(
            agentVersion: "1.0.0", engines: ["llama.cpp": "0.7.0"], profile: "raspberry-pi-4", facts: facts,
            storeBytes: .zero, slots: [:])
        inventory.memoryRoom = room.map { .mebibytes($0) }
        inventory.diskRoom = disk.map { .mebibytes($0) }
        return inventory
    }

    private func explain(
        _ candidates: [VariantCandidate], _ inventory: Inventory, slot: SlotName? = nil
    ) throws -> DeviceExplanation {
        DeviceExplanation(
            device: try DeviceID("pi-1"), release: try ReleasePath("clinic/triage/1.0.0"), candidates: candidates,
            inventory: inventory, profile: try ProfileCatalog.embedded().profile("raspberry-pi-4"), slot: slot)
    }

    @Test("the variants come with verdict, place and number, in the release's order")
    func table() throws {
        let candidates = [
            candidate("Q8_0", memory: 700), candidate("Q4_K_M", memory: 500), candidate("Q4_0", memory: 400),
            candidate("IQ1_S", memory: 100), candidate("Q5_K_M", memory: 100, architecture: "amd64"),
        ]
        let told = try explain(candidates, try inventory())
        #expect(told.variants.map(\.verdict) == ["notEnoughMemory", "fits", "chosen", "fits", "wrongPlatform"])
        #expect(told.variants.map(\.preference) == [5, 3, 1, nil, 4])
        #expect(told.variants[0].reason == "needs 700.0 MiB of memory, may take 600.0 MiB")
        #expect(told.variants[1].reason == "fits; Q4_0 is preferred on raspberry-pi-4")
        #expect(told.chosen?.quantization == "Q4_0" && told.memoryRoom == .mebibytes(600) && told.slot == nil)
        #expect(try JSONText.decode(DeviceExplanation.self, from: JSONText.encode(told)) == told)
        #expect(try explain([], try inventory()).chosen == nil)
    }

    @Test("a slot's own room and settings count, and what it runs need not be fetched again")
    func slot() throws {
        var inventory = try inventory(room: 600, disk: 10)
        let slot = try SlotName("triage")
        var running = SlotInventory(
            current: [], previous: [], variant: try Digest(digest("Q4_0")), generation: 1, serving: true)
        running.memoryRoom = .mebibytes(900)
        inventory.slots[slot] = running
        let candidates = [candidate("Q4_0", memory: 700), candidate("Q8_0", memory: 700)]
        let told = try explain(candidates, inventory, slot: slot)
        #expect(told.variants.map(\.verdict) == ["chosen", "notEnoughDisk"])
        #expect(told.variants.map(\.runs) == [true, false] && told.slot == slot)
        #expect(try explain(candidates, inventory).variants[0].verdict == "notEnoughMemory")
        #expect(try explain(candidates, inventory, slot: SlotName("other")).slot == nil)
    }

    @Test("what fits only where other slots make room is chosen by that room, as the device does")
    func makingRoom() throws {
        var inventory = try inventory(room: 600)
        inventory.memoryRoomAlone = .mebibytes(1000)
        let large = try explain([candidate("Q8_0", memory: 900)], inventory)
        #expect(large.chosen != nil && large.memoryRoom == .mebibytes(1000))
        // What fits beside the others is preferred.
        let both = try explain([candidate("Q4_0", memory: 900), candidate("Q8_0", memory: 500)], inventory)
        #expect(both.chosen?.quantization == "Q8_0" && both.memoryRoom == .mebibytes(600))
    }

    @Test("an older agent, which reports no room, is judged by its free memory and disk")
    func older() throws {
        let told = try explain([candidate("Q4_0", memory: 2000)], try inventory(room: nil, disk: nil))
        // 60 % of 4 GiB, and what is free less the reserve.
        #expect(told.memoryRoom == ByteCount(min(4096 * 1_048_576 / 100 * 60, (3000 - 384) * 1_048_576)))
        #expect(told.diskRoom == .mebibytes(20_000 - 1024) && told.chosen != nil)
    }

    @Test("numbers that a device made up end in a refusal")
    func hostile() throws {
        for number in [Int64.min, -1, .max] {
            var inventory = try inventory()
            inventory.memoryRoom = ByteCount(number)
            inventory.diskRoom = ByteCount(number)
            inventory.facts.memory = .init(total: ByteCount(number), available: ByteCount(number))
            let told = try explain([candidate("Q4_0", memory: 1)], inventory)
            #expect(told.memoryRoom >= .zero && told.diskRoom >= .zero)
            #expect((told.chosen != nil) == (number == .max))
        }
    }
}

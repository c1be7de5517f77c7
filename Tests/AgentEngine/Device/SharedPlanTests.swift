import AgentEngine
import AgentStore
import MartletTypes
import ModelRuntime
import TestSupport
import Testing
import Trust

@Suite("Plans for slots that share memory")
struct SharedPlanTests {
    @Test("What fits alone is installed beside slots that make room, and skipped beside one that always runs")
    func beside() async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let first = device.installer()
        let target = device.target(release)
        let plan = try await first.plan(target, record: SlotRecord(slot: device.slot))
        _ = try await first.fetch(plan)
        let generation = try await first.stage(plan).record

        // Room for one and a half.
        var hardware = device.hardware
        let need = hardware.need(of: generation).total
        #expect(need > .mebibytes(10))
        hardware.memoryLimit = need + ByteCount(need.bytes / 2)
        let installer = device.installer(hardware: hardware)
        let other = SlotRecord(slot: try SlotName("billing"))
        func outcome(_ residency: SlotResidency?, own: SlotResidency? = nil) async throws -> String {
            var record = SlotRecord(slot: device.slot)
            record.phase = .committed
            record.current = generation
            record.current?.settings.residency = residency
            try await device.store.journal.save(record, transition: nil, reports: [])
            var wanted = target
            wanted.assignment.settings.residency = own
            do {
                _ = try await installer.plan(wanted, record: other)
                return "planned"
            } catch {
                return (error as? SlotFailure)?.code ?? "\(error)"
            }
        }
        #expect(try await outcome(nil) == "planned")
        #expect(try await outcome(SlotResidency(start: .onDemand)) == "planned")
        #expect(try await outcome(SlotResidency(start: .always)) == "noVariantFits")
        // An engine that may not take what it needs would end at its start.
        #expect(try await outcome(nil, own: SlotResidency(memoryMiB: 16)) == "noVariantFits")
        await device.close()
    }

    @Test("A base that two generations map is needed once; what each adds is its own")
    func sharedBase() async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let installer = device.installer()
        let plan = try await installer.plan(device.target(release), record: SlotRecord(slot: device.slot))
        _ = try await installer.fetch(plan)
        var first = try await installer.stage(plan).record
        var second = first
        for (name, size) in [("adapter-1.gguf", 5), ("adapter-2.gguf", 7)] {
            let file = GenerationFile(
                role: .adapter, name: name, digest: .of(Array(name.utf8)), size: .mebibytes(Int64(size)))
            if size == 5 { first.files.append(file) } else { second.files.append(file) }
        }
        let needs = [first, second].map { device.hardware.need(of: $0) }
        guard device.hardware.loading.isMapped == true else { return await device.close() }
        let base = try #require(first.files.first { $0.role == .weights })
        #expect(needs.allSatisfy { $0.mapped == [base.digest: base.size] })
        #expect(needs[1].own - needs[0].own == .mebibytes(2))
        #expect(EngineNeed.together(needs) == needs[0].total + needs[1].total - base.size)
        await device.close()
    }
}

import MartletTypes
import Testing

@Suite("How a slot lives beside others")
struct SlotResidencyTests {
    @Test(
        "Each number has its range",
        arguments: [
            (SlotResidency(), nil), (SlotResidency(start: .always, priority: -100, idleSeconds: 0, memoryMiB: 16), nil),
            (SlotResidency(priority: 101), "priority"), (SlotResidency(priority: -101), "priority"),
            (SlotResidency(idleSeconds: -1), "idleSeconds"), (SlotResidency(idleSeconds: .max), "idleSeconds"),
            (SlotResidency(memoryMiB: 15), "memoryMiB"), (SlotResidency(memoryMiB: .max), "memoryMiB"),
            (SlotResidency(cpuPercent: 4), "cpuPercent"), (SlotResidency(cpuPercent: 51_201), "cpuPercent"),
        ] as [(SlotResidency, String?)])
    func ranges(_ residency: SlotResidency, _ wrong: String?) {
        #expect(residency.violation?.name == wrong)
    }

    @Test("What says nothing is left out; what says something comes back as it was; unknown words are refused")
    func form() throws {
        #expect(SlotResidency().orNil == nil)
        let settings = SlotSettings(
            residency: SlotResidency(start: .onDemand, priority: 3, idleSeconds: 60, memoryMiB: 512, cpuPercent: 150))
        #expect(try JSONText.decode(SlotSettings.self, from: JSONText.encode(settings)) == settings)
        // Settings as they were written before there was any of this.
        let before = try JSONText.decode(SlotSettings.self, from: Array(#"{"threads":2}"#.utf8))
        #expect(before == SlotSettings(threads: 2))
        #expect(throws: (any Error).self) {
            try JSONText.decode(SlotSettings.self, from: Array(#"{"residency":{"start":"sometimes"}}"#.utf8))
        }
    }
}

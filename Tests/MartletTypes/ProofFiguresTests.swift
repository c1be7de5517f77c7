import MartletTypes
import Testing

@Suite("Figures of evaluations, for people")
struct ProofFiguresTests {
    @Test(
        "a share is rounded down, and numbers that are none are 0",
        arguments: [
            (0.899, "0.89"), (0.9, "0.90"), (0.29, "0.29"), (1, "1.00"), (0, "0.00"), (7, "1.00"), (-1, "0.00"),
            (.nan, "0.00"), (.infinity, "0.00"),
        ])
    func share(value: Double, text: String) { #expect(ProofFigures.share(value) == text) }

    @Test(
        "milliseconds are whole, whatever a device says",
        arguments: [
            (12.4, 12), (12.5, 13), (-3, 0), (.nan, 0), (.infinity, 0), (.greatestFiniteMagnitude, 1_000_000_000_000),
        ])
    func milliseconds(value: Double, number: Int) { #expect(ProofFigures.milliseconds(value) == number) }
}

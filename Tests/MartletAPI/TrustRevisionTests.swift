import MartletAPI
import Testing

@Suite("The revision of root and targets")
struct TrustRevisionTests {
    @Test(
        "is read as it is written, and nothing else is",
        arguments: ["", "1", "1.", ".1", "1.2.3", "-1.2", "a.b", "1. 2"])
    func text(_ wrong: String) {
        #expect(TrustRevision(TrustRevision(root: 3, targets: 17).text) == TrustRevision(root: 3, targets: 17))
        #expect(TrustRevision(wrong) == nil)
    }
}

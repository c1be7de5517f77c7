import Foundation
import MartletTypes
import TestSupport
import Testing

@Suite struct EventTypeTests {
    @Test(
        "A filter takes types and groups",
        arguments: [
            ("rollout.paused", EventType.rolloutPaused, true), ("rollout.paused", .rolloutResumed, false),
            ("rollout.*", .rolloutResumed, true), ("rollout.*", .rollbackMade, false),
            ("device.failed,trust.*", .trustChanged, true), ("device.failed,trust.*", .deviceBack, false),
            ("", .deviceBack, true), ("*", .deviceBack, true),
        ])
    func filters(text: String, type: EventType, passes: Bool) throws {
        let filter = try EventFilter(text)
        #expect(filter.contains(type) == passes)
        #expect(try EventFilter(filter.text) == filter, "its text reads back")
    }

    @Test(
        "A term that fits no type is refused",
        arguments: ["rollout", "rollout.pauses", "device", "nothing.*", "rollout.*.x"])
    func misspelt(text: String) {
        #expect(throws: InvalidValue.self) { try EventFilter(text) }
    }

    @Test("Every type is described in docs/formats/events.md")
    func documented() throws {
        let document = try String(contentsOfFile: Checkout.root + "/docs/formats/events.md", encoding: .utf8)
        for type in EventType.allCases { #expect(document.contains("`\(type.rawValue)`"), "\(type.rawValue)") }
    }

    @Test("Message codes are those of the Standard Webhooks specification and of RFC 4231")
    func codes() throws {
        let secret = Array(try #require(Data(base64Encoded: "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")))
        let message = #"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}"#
        let code = MessageCode.sha256(key: secret, Array(message.utf8))
        #expect(Data(code).base64EncodedString() == "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
        let second = MessageCode.sha256(key: Array("Jefe".utf8), Array("what do ya want for nothing?".utf8))
        #expect(Hex.encode(second) == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
        #expect(MessageCode.sha256(key: [], []).count == MessageCode.bytes)
    }
}

import MartletTypes
import Testing

@Suite("Plain questions to engines")
struct EngineQuestionTests {
    @Test(
        "an answer is what stands at its JSON pointer",
        arguments: [
            ("", #"{"a": 1}"#), ("/label", "red"), ("/scores/1", "0.25"), ("/a~1b/~0", "true"), ("/scores", "[2,0.25]"),
            ("/none", nil), ("/scores/01", nil), ("/scores/2", nil), ("/label/x", nil), ("label", nil),
        ] as [(String, String?)])
    func pointer(pointer: String, text: String?) {
        let body = pointer.isEmpty ? #"{"a": 1}"# : #"{"label": "red", "scores": [2, 0.25], "a/b": {"~": true}}"#
        let question = EngineQuestion(path: "/x", answer: pointer.isEmpty ? nil : pointer)
        #expect(question.text(of: Array(body.utf8)) == text)
    }

    @Test(
        "what is no path of a request is refused",
        arguments: ["", "classify", "/a b", "/a\r\nX: y", "/a#b", "/ä", "/" + String(repeating: "x", count: 1024)])
    func paths(path: String) { #expect(EngineQuestion(path: path).fault != nil) }

    @Test("probes and rows read and write with a prompt or a request, and nothing is added to those of before")
    func coding() throws {
        let chat = #"{"contains":"x","prompt":"Hello"}"#
        let probe = try JSONText.decode(Probe.self, from: Array(chat.utf8))
        #expect(try String(decoding: JSONText.encode(probe), as: UTF8.self) == chat)
        let plain = #"{"expected":"red","request":{"answer":"/label","body":{"f":[1]},"path":"/c"}}"#
        let row = try JSONText.decode(EvaluationRow.self, from: Array(plain.utf8))
        #expect(row.request?.path == "/c" && row.input.isEmpty)
        #expect(try String(decoding: JSONText.encode(row), as: UTF8.self) == plain)
        #expect(throws: DecodingError.self) {
            try JSONText.decode(EvaluationRow.self, from: Array(#"{"expected":"red"}"#.utf8))
        }
        #expect(throws: DecodingError.self) { try JSONText.decode(Probe.self, from: Array(#"{"contains":"x"}"#.utf8)) }
    }
}

import BundleFormat
import MartletTypes
import Testing

@Suite("Evaluation sets and probes")
struct EvaluationSetTests {
    @Test("rows are read line by line, blank lines skipped")
    func rows() throws {
        let text = """
            {"input":"a","expected":"b"}\r

            {"system":"s","input":"ü","expected":"x","comparison":"contains","grammar":"root ::= x","maxTokens":3}
            """
        let set = try EvaluationSet(parsing: Array(text.utf8))
        #expect(set.rows.map(\.input) == ["a", "ü"])
        #expect(set.rows.last?.comparison == .contains)
    }

    @Test(
        "a wrong row is refused with its line and field",
        arguments: [
            (#"{"input":"a"}"#, "expected"), (#"{"expected":"a"}"#, "input"),
            (#"{"input":"","expected":"b"}"#, "input"),
            (#"{"input":"a","expected":""}"#, "expected"), (#"{"input":1,"expected":"b"}"#, "input"),
            (#"{"input":"a","expected":"b","comparision":"exact"}"#, "comparision"),
            (#"{"input":"a","expected":"b","comparison":"fuzzy"}"#, "comparison"),
            (#"{"input":"a","expected":"b","maxTokens":0}"#, "maxTokens"),
            (#"{"input":"a","expected":"b","maxTokens":99999}"#, "maxTokens"), ("[1]", ""), ("nonsense", ""),
            (#"{"system":"s","text":"t","label":"l"}"#, "label"), ("[]", ""), ("{", ""), ("\u{0}", ""),
            (#"{"input":"\#(String(repeating: "x", count: 70_000))","expected":"b"}"#, ""),
        ])
    func refusals(line: String, field: String) {
        let text = #"{"input":"a","expected":"b"}"# + "\n\n" + line
        let error = #expect(throws: BundleError.self) { try EvaluationSet(parsing: Array(text.utf8)) }
        #expect(error?.document == "evaluation set, line 3")
        #expect(error?.field == field)
    }

    @Test("an empty set, one with too many rows, and one that is too long are refused")
    func bounds() {
        let row = Array(#"{"input":"a","expected":"b"}"#.utf8) + [0x0a]
        let many = Array(repeatElement(row, count: Limits.evaluationRows + 1).joined())
        for bytes in [[], Array("\n \n".utf8), many, [UInt8](repeating: 0x20, count: Limits.evaluationBytes + 1)] {
            #expect(throws: BundleError.self) { try EvaluationSet(parsing: bytes) }
        }
    }

    @Test("probes read back, and wrong ones are refused")
    func probes() throws {
        let set = try ProbeSet([Probe(prompt: "hi", contains: "hello", maxTokens: 4)])
        #expect(try ProbeSet(parsing: try set.encoded()) == set)
        for text in ["[]", "{}", #"[{"prompt":""}]"#, #"[{"prompt":"a","maxTokens":-1}]"#, #"[{"contains":"a"}]"#] {
            #expect(throws: BundleError.self) { try ProbeSet(parsing: Array(text.utf8)) }
        }
        #expect(throws: BundleError.self) {
            try ProbeSet(Array(repeating: Probe(prompt: "a"), count: Limits.probesPerRelease + 1))
        }
    }
}

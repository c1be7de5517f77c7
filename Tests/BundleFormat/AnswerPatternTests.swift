import BundleFormat
import MartletTypes
import Testing

@Suite("Patterns of probes")
struct AnswerPatternTests {
    @Test(
        "a pattern is found where it stands, and nowhere else",
        arguments: [
            ("refund", "a refund, please", true), ("refund", "REFUND", false), ("(?i)refund", "a ReFund", true),
            ("^refund$", "refund", true), ("^refund$", "refund.", false), ("^$", "", true), ("a|b|", "", true),
            ("^(billing|refund)$", "billing", true), ("^(billing|refund)$", "shipping", false),
            ("[0-9]{3}-[0-9]{4}", "call 555-0199 now", true), ("[0-9]{3}-[0-9]{4}", "call 55-0199", false),
            ("^a{2,3}$", "aa", true), ("^a{2,3}$", "aaaa", false), ("^a{2,}$", "aaaaa", true), ("^a{0}b$", "b", true),
            ("colou?r", "color", true), ("^.+$", "two\nlines", false), ("a.c", "a\nc", false), ("[^a-c]", "abc", false),
            ("[^a-c]", "abcd", true), (#"\bno\b"#, "say no.", true), (#"\bno\b"#, "nothing", false),
            (#"\Bth"#, "nothing", true), (#"^\d+\s\w+$"#, "12 monkeys", true), (#"^\D\S\W$"#, "ab!", true),
            (#"[\d.]+ €"#, "12.50 €", true), (#"\$\(\)\[\]\{\}\.\*\\"#, #"$()[]{}.*\"#, true),
            ("(?:ab)+c", "xxababc", true), ("a*?b", "aaab", true), ("[a-]", "-", true), ("(?i)[A-F]", "e", true),
            ("(?i)ä", "Ä", true), ("ü+", "für üü", true), ("(a*)*b", "aaac", false), ("()|x", "y", true),
        ])
    func finds(_ pattern: String, _ text: String, _ isFound: Bool) throws {
        #expect(try AnswerPattern(pattern).isFound(in: text) == isFound)
    }

    @Test(
        "a bad pattern is refused with its position",
        arguments: [
            ("", 1), ("a(b", 2), ("a)b", 2), ("[abc", 1), ("[z-a]", 3), ("*a", 1), ("a**", 3), ("a{", 2), ("a{3,2}", 2),
            ("a{256}", 3), ("a{2", 2), (#"a\"#, 2), (#"\q"#, 1), (#"(a)\1"#, 4), ("(?=a)", 3), ("(?<n>a)", 3),
            ("^*", 2), ("x}", 2), ("[]", 1), (String(repeating: "a", count: 513), 513),
            (String(repeating: "(", count: 40), 34), ("(a{255}){255}", 1),
        ])
    func refuses(_ pattern: String, _ position: Int) throws {
        let error = #expect(throws: BundleError.self) { try AnswerPattern(pattern) }
        #expect(error?.reason == .invalid)
        #expect(error?.field == "at character \(position)", "\(pattern): \(error?.message ?? "")")
    }

    @Test("what blows up in other engines takes time in proportion here")
    func hostile() throws {
        let text = String(repeating: "a", count: 20_000)
        for pattern in ["(a+)+$x", "(a|a)*b", "(a*)*(a*)*c", "(a?){100}a{100}z", "(.*)*=(.*)*=(.*)*;"] {
            #expect(try AnswerPattern(pattern).isFound(in: text) == false)
        }
    }

    @Test("random patterns are read or refused, never worse")
    func random() {
        var random = SystemRandomNumberGenerator()
        let alphabet = Array("ab()[]{}|*+?^$.\\-,12:=!<iwdsSbB ü")
        for _ in 0..<5000 {
            let pattern = String(
                (0..<Int.random(in: 1...12, using: &random)).compactMap { _ in alphabet.randomElement() })
            do {
                _ = try AnswerPattern(pattern).isFound(in: "ab12 ü ab-")
            } catch {
                #expect(error.reason == .invalid, "\(pattern)")
            }
        }
    }
}

@Suite("Schemas of probes")
struct AnswerSchemaTests {
    private func schema(_ text: String) throws -> AnswerSchema {
        try AnswerSchema(JSONValue(parsing: Array(text.utf8)))
    }

    private static let triage = #"""
        {"type": "object", "title": "triage", "required": ["label", "score"], "additionalProperties": false,
         "properties": {
           "label": {"enum": ["billing", "refund", 7]},
           "score": {"type": "number", "minimum": 0, "maximum": 1},
           "tags": {"type": "array", "items": {"type": "string", "minLength": 2}, "minItems": 1, "maxItems": 2},
           "count": {"type": ["integer", "null"]}, "note": {"type": "string", "maxLength": 3},
           "ok": {"const": true}}}
        """#

    @Test(
        "an answer fits or is refused by its place",
        arguments: [
            (#"{"label": "refund", "score": 0.5}"#, nil), (#" {"label": 7.0, "score": 1} "#, nil),
            (#"{"label": "refund", "score": 0, "tags": ["ab"], "count": null, "note": "äöü", "ok": true}"#, nil),
            (#"{"label": "refund", "score": 0, "count": 2.0}"#, nil),
            (#"{"label": "refund", "score": 0, "count": 2.5}"#, "/count"), (#"{"label": "refund"}"#, "score"),
            (#"{"label": "other", "score": 0}"#, "/label"), (#"{"label": "refund", "score": 1.5}"#, "/score"),
            (#"{"label": "refund", "score": -1}"#, "/score"), (#"{"label": "refund", "score": "0"}"#, "/score"),
            (#"{"label": "refund", "score": 0, "x": 1}"#, "not allowed"),
            (#"{"label": "refund", "score": 0, "tags": []}"#, "/tags"),
            (#"{"label": "refund", "score": 0, "tags": ["ab", "cd", "ef"]}"#, "/tags"),
            (#"{"label": "refund", "score": 0, "tags": ["ab", "c"]}"#, "/tags/1"),
            (#"{"label": "refund", "score": 0, "note": "four"}"#, "/note"),
            (#"{"label": "refund", "score": 0, "ok": false}"#, "/ok"), ("[]", "object"), ("refund", "not JSON"),
            ("", "not JSON"), (#"{"label": "refund", "score": 0} and more"#, "not JSON"),
            (#"{"label": "refund", "label": "refund", "score": 0}"#, "not JSON"),
            (String(repeating: "[", count: 100_000), "not JSON"),
        ] as [(String, String?)])
    func fits(_ answer: String, _ place: String?) throws {
        let refusal = try schema(Self.triage).refusal(of: answer)
        if let place {
            #expect(refusal?.contains(place) == true, "\(refusal ?? "fits")")
        } else {
            #expect(refusal == nil)
        }
    }

    @Test(
        "a schema that would not be checked whole is refused with its place",
        arguments: [
            ("[]", "/"), (#"{"type": "text"}"#, "/type"), (#"{"type": []}"#, "/type"), (#"{"oneOf": []}"#, "/oneOf"),
            (#"{"$ref": "a"}"#, "/$ref"), (#"{"properties": {"a": {"pattern": "x"}}}"#, "/properties/a/pattern"),
            (#"{"items": {"items": {"type": 3}}}"#, "/items/items/type"), (#"{"enum": []}"#, "/enum"),
            (#"{"minimum": "1"}"#, "/minimum"), (#"{"minItems": -1}"#, "/minItems"),
            (#"{"required": [1]}"#, "/required"),
            (#"{"additionalProperties": {}}"#, "/additionalProperties"), (#"{"properties": []}"#, "/properties"),
            (String(repeating: #"{"items":"#, count: 17) + "{}" + String(repeating: "}", count: 17), "/items"),
        ])
    func refuses(_ text: String, _ place: String) throws {
        let error = #expect(throws: BundleError.self) { try schema(text) }
        #expect(error?.field.hasPrefix(place) == true, "\(error?.message ?? "")")
    }
}

@Suite("Probes of a release")
struct ProbeSetTests {
    @Test(
        "a wrong probe is refused by field and position",
        arguments: [
            (#"[{"prompt": "a", "pattern": "x("}]"#, "[0].pattern", "at character 2"),
            (#"[{"prompt": "a"}, {"prompt": "b", "schema": {"type": "text"}}]"#, "[1].schema", "/type"),
            (#"[{"prompt": "a", "constrain": true}]"#, "[0].constrain", "schema"),
            (#"[{"prompt": "a", "regex": "x"}]"#, "[0].regex", "no field"),
            (#"[{"prompt": ""}]"#, "[0].prompt", "empty"),
            (#"[{"prompt": "a", "maxTokens": 5000}]"#, "[0].maxTokens", "4096"), ("[]", "", "between 1 and"),
        ])
    func refuses(_ text: String, _ field: String, _ detail: String) throws {
        let error = #expect(throws: BundleError.self) { try ProbeSet(parsing: Array(text.utf8)) }
        #expect(error?.field == field && error?.detail.contains(detail) == true, "\(error?.message ?? "")")
    }

    @Test("what is read is what is published, and an answer is judged by all that is demanded")
    func judges() throws {
        let probe = Probe(
            prompt: "where is my parcel?", contains: "ship", pattern: "^\\{",
            schema: .object(["type": .string("object")]),
            constrain: true, maxTokens: 20)
        let read = try ProbeSet(parsing: try ProbeSet([probe]).encoded())
        #expect(read.probes == [probe])
        let check = try #require(read.checks.first)
        #expect(check.refusal(of: #"{"label": "Shipping"}"#) == nil)
        #expect(check.refusal(of: #"{"label": "refund"}"#)?.contains("ship") == true)
        #expect(check.refusal(of: #" {"label": "ship"}"#)?.contains("/^\\{/") == true)
        #expect(check.refusal(of: "{ship")?.contains("not JSON") == true)
        #expect(try ProbeCheck(Probe(prompt: "a")).refusal(of: "") == "any answer")
    }
}

import MartletTypes
import Testing

@Suite("Names")
struct NamesTests {
    @Test(
        "repository names follow the OCI grammar",
        arguments: [
            ("clinic/triage", true), ("a/b/c", true), ("a.b/c-d", true), ("a__b/c", true), ("a--b/c", true),
            ("triage", false), ("/x", false), ("x/", false), ("A/b", false), ("a/..", false), ("a/b_", false),
            ("a._b/c", false), ("martlet/trust", false), ("a//b", false), ("a/b\n", false), ("a/b:c", false),
        ])
    func repositoryGrammar(text: String, valid: Bool) {
        #expect(((try? RepositoryName(text)) != nil) == valid)
    }

    @Test("versions are ordered by SemVer precedence")
    func precedence() throws {
        let sorted = [
            "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11",
            "1.0.0-rc.1", "1.0.0", "1.2.0", "1.10.0", "2.0.0",
        ]
        for (a, b) in zip(sorted, sorted.dropFirst()) {
            #expect(try SemanticVersion(a) < SemanticVersion(b), "\(a) < \(b)")
        }
    }

    @Test(
        "malformed versions are refused",
        arguments: ["1", "1.0", "01.0.0", "1.0.0+b", "1.0.0-", "1.0.0-01", "v1.0.0", "1.0.0-a..b", "-1.0.0"])
    func malformedVersions(text: String) {
        #expect(throws: InvalidValue.self) { try SemanticVersion(text) }
    }

    @Test("a reference is a version or an alias, never something else")
    func references() throws {
        #expect(try ReleaseReference("clinic/triage:1.2.0").description == "clinic/triage:1.2.0")
        #expect(try ReleaseReference("clinic/triage@stable").description == "clinic/triage@stable")
        for text in ["clinic/triage", "clinic/triage:latest", "clinic/triage@1.0.0", "triage:1.0.0"] {
            #expect(throws: InvalidValue.self) { try ReleaseReference(text) }
        }
        #expect(try ReleasePath("clinic/triage/1.2.0").reference == "clinic/triage:1.2.0")
    }

    @Test(
        "digests are exact",
        arguments: [
            ("sha256:" + String(repeating: "a", count: 64), true),
            ("sha512:" + String(repeating: "0", count: 128), true),
            ("sha256:" + String(repeating: "A", count: 64), false), ("sha256:../../etc/passwd", false),
            ("md5:00", false),
            ("sha256:" + String(repeating: "a", count: 63), false), (String(repeating: "a", count: 64), false),
        ])
    func digests(text: String, valid: Bool) {
        #expect(((try? Digest(text)) != nil) == valid)
    }

    @Test("hashing in pieces equals the known vector")
    func hashing() {
        let hasher = DigestHasher(.sha256)
        hasher.update(Array("a".utf8))
        hasher.update(Array("bc".utf8))
        #expect(hasher.finish().hex == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }
}

@Suite("Values")
struct ValuesTests {
    @Test(
        "times read and print as RFC 3339",
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("2026-11-20T12:34:56Z", 1_795_178_096_000),
            ("2000-02-29T23:59:59.125Z", 951_868_799_125),
            ("1969-12-31T23:59:59.999Z", -1), ("2100-03-01T00:00:00Z", 4_107_542_400_000),
        ])
    func times(text: String, milliseconds: Int64) throws {
        #expect(try Timestamp(text).milliseconds == milliseconds)
        #expect(Timestamp(milliseconds: milliseconds).description == text)
    }

    @Test("offsets are brought to UTC and nonsense is refused")
    func timeEdges() throws {
        #expect(try Timestamp("2026-01-01T01:00:00+01:00").description == "2026-01-01T00:00:00Z")
        for text in [
            "2026-02-29T00:00:00Z", "2026-01-01", "2026-01-01T25:00:00Z", "2026-01-01T00:00:00", "x",
            "2026-01-01T00:00:00Zz",
        ] {
            #expect(throws: InvalidValue.self) { try Timestamp(text) }
        }
    }

    @Test(
        "selectors select as in Kubernetes",
        arguments: [
            ("", true), ("site=berlin", true), ("site==berlin", true), ("site!=berlin", false),
            ("site in (berlin, paris)", true),
            ("site notin (berlin)", false), ("tier", true), ("!tier", false), ("!gone,site=berlin", true),
            ("gone!=x", true),
        ])
    func selectors(text: String, selected: Bool) throws {
        let labels = try Labels(["site": "berlin", "tier": "lab"])
        #expect(try LabelSelector(text).matches(labels) == selected)
    }

    @Test("malformed selectors are refused", arguments: ["=x", "a in ()", "a within (b)", "a b", "a=b=c,", "!"])
    func malformedSelectors(text: String) {
        #expect(throws: InvalidValue.self) { try LabelSelector(text) }
    }

    @Test("canonical JSON sorts keys and escapes only quotes and backslashes")
    func canonical() throws {
        let value = try JSONValue(parsing: Array(#"{"b":[1,true,null],"a":"x\"\\\n\u00e9","A":{}}"#.utf8))
        let expected = "{\"A\":{},\"a\":\"x\\\"\\\\\n\u{e9}\",\"b\":[1,true,null]}"
        #expect(try String(decoding: CanonicalJSON.encode(value), as: UTF8.self) == expected)
        #expect(throws: CanonicalJSON.NotCanonical.self) { try CanonicalJSON.encode(.number(0.5)) }
    }

    @Test("JSON nested without end is refused")
    func depth() {
        let text = String(repeating: "[", count: 200) + String(repeating: "]", count: 200)
        #expect(throws: (any Error).self) { try JSONValue(parsing: Array(text.utf8)) }
    }

    @Test(
        "sizes print with binary prefixes",
        arguments: [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (98_000_000, "93.5 MiB")])
    func sizes(bytes: Int, text: String) {
        #expect(ByteCount(bytes).description == text)
    }

    @Test("dictionaries keyed by names are JSON objects")
    func keyed() throws {
        let bytes = try JSONText.encode([SlotName("triage"): 1])
        #expect(String(decoding: bytes, as: UTF8.self) == #"{"triage":1}"#)
        #expect(try JSONText.decode([SlotName: Int].self, from: bytes) == [SlotName("triage"): 1])
    }
}

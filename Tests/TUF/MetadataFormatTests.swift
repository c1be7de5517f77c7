import MartletTypes
import TUF
import Testing

@Suite("Metadata formats")
struct MetadataFormatTests {
    static let expires = RepositorySimulator.yearLater

    private func parse(_ text: String) throws -> JSONValue { try JSONValue(parsing: Array(text.utf8)) }

    @Test(
        "all four roles survive writing and reading, unknown fields included",
        arguments: [
            #"{"_type":"timestamp","spec_version":"1.0.0","version":3,"expires":"2030-01-01T00:00:00Z","x":{"y":[1]},"#
                + #""meta":{"snapshot.json":{"version":7,"length":9,"hashes":{"sha256":"aa"},"z":1}}}"#,
            #"{"_type":"snapshot","spec_version":"1.0","version":3,"expires":"2030-01-01T00:00:00Z","#
                + #""meta":{"targets.json":{"version":7},"a/b.json":{"version":1,"u":null}},"u":false}"#,
            #"{"_type":"targets","spec_version":"1.0.31","version":1,"expires":"2030-01-01T00:00:00Z","u":1,"#
                + #""targets":{"a/b":{"length":0,"hashes":{"sha256":"aa","x":"bb"},"custom":{"k":1},"u":2}},"#
                + #""delegations":{"keys":{"k":{"keytype":"t","scheme":"s","keyval":{"public":"p"},"u":3}},"u":4,"#
                + #""roles":[{"name":"r","keyids":["k"],"threshold":1,"terminating":false,"paths":["*"],"u":5},"#
                + #"{"name":"q","keyids":[],"threshold":9,"terminating":true,"path_hash_prefixes":["00"]}]}}"#,
            #"{"_type":"targets","spec_version":"1.0.31","version":1,"expires":"2030-01-01T00:00:00Z","targets":{},"#
                + #""delegations":{"keys":{},"succinct_roles":{"keyids":[],"threshold":1,"bit_length":4,"#
                + #""name_prefix":"p","u":1}}}"#,
            #"{"_type":"root","spec_version":"1.0.31","version":1,"expires":"2030-01-01T00:00:00Z","u":1,"#
                + #""consistent_snapshot":true,"keys":{},"roles":{"root":{"keyids":["a"],"threshold":1},"#
                + #""timestamp":{"keyids":[],"threshold":2},"snapshot":{"keyids":[],"threshold":1},"#
                + #""targets":{"keyids":[],"threshold":1},"mirrors":{"keyids":[],"threshold":1}}}"#,
        ])
    func roundTrip(text: String) throws {
        let json = try parse(text)
        switch json["_type"]?.string {
        case "root": #expect(try RootMetadata(json: json).json == json)
        case "timestamp": #expect(try TimestampMetadata(json: json).json == json)
        case "snapshot": #expect(try SnapshotMetadata(json: json).json == json)
        default: #expect(try TargetsMetadata(json: json).json == json)
        }
    }

    private static let targets = """
        {"_type":"targets","spec_version":"1.0.31","version":1,"expires":"2030-01-01T00:00:00Z","targets":{T},\
        "delegations":{"keys":{},D}}
        """
    private static let role = #""keyids":[],"threshold":1,"terminating":true,"paths":["*"]"#

    @Test(
        "malformed targets are refused",
        arguments: [
            (#""a":{}"#, #""roles":[]"#), (#""a":{"length":1}"#, #""roles":[]"#),
            (#""a":{"length":-1,"hashes":{"sha256":"aa"}}"#, #""roles":[]"#),
            (#""a":{"length":1,"hashes":{}}"#, #""roles":[]"#),
            (#""a":{"length":1,"hashes":{"sha256":1}}"#, #""roles":[]"#),
            (#""a":{"length":1.5,"hashes":{"sha256":"aa"}}"#, #""roles":[]"#), ("", #""x":1"#),
            ("", #""roles":[],"succinct_roles":{"keyids":[],"threshold":1,"bit_length":4,"name_prefix":"p"}"#),
            ("", #""succinct_roles":{"keyids":[],"threshold":1,"bit_length":0,"name_prefix":"p"}"#),
            ("", #""succinct_roles":{"keyids":[],"threshold":1,"bit_length":33,"name_prefix":"p"}"#),
            ("", #""succinct_roles":{"keyids":[],"threshold":0,"bit_length":4,"name_prefix":"p"}"#),
            ("", #""succinct_roles":{"keyids":[],"threshold":1,"bit_length":4,"name_prefix":""}"#),
            ("", #""roles":[{"name":"",ROLE}]"#), ("", #""roles":[{"name":"root",ROLE}]"#),
            ("", #""roles":[{"name":"targets",ROLE}]"#), ("", #""roles":[{"name":"root.next",ROLE}]"#),
            ("", #""roles":[{"name":"a",ROLE},{"name":"a",ROLE}]"#),
            ("", #""roles":[{"name":"a",ROLE,"path_hash_prefixes":[]}]"#),
            ("", #""roles":[{"name":"a","keyids":[],"threshold":1,"terminating":true}]"#),
            ("", #""roles":[{"name":"a","keyids":[],"threshold":1,"paths":[]}]"#),
            ("", #""roles":[{"name":"a","keyids":["k","k"],"threshold":1,"terminating":true,"paths":[]}]"#),
            ("", #""roles":[{"name":"a","keyids":[],"threshold":0,"terminating":true,"paths":[]}]"#),
            ("", #""roles":[{"name":"a","keyids":[1],"threshold":1,"terminating":true,"paths":[]}]"#),
            ("", #""roles":{"a":{}}"#),
        ])
    func malformedTargets(targets: String, delegations: String) throws {
        let text = Self.targets.replacing("T}", with: targets + "}").replacing(",D}", with: "," + delegations + "}")
            .replacing("ROLE", with: Self.role)
        #expect(throws: TUFError(.malformed, role: "targets", "")) { try TargetsMetadata(json: parse(text)) }
    }

    @Test(
        "malformed common fields are refused",
        arguments: [
            ("version", #""1""#), ("version", "0"), ("version", "1.5"), ("version", "null"),
            ("expires", #""tomorrow""#),
            ("expires", "0"), ("spec_version", #""2.0""#), ("spec_version", "1"), ("spec_version", #""1""#),
            ("spec_version", #""1.x""#), ("meta", "[]"), ("meta", "{}"), ("meta", #"{"snapshot.json":{"version":0}}"#),
            ("meta", #"{"snapshot.json":{"version":1,"length":-1}}"#),
            ("meta", #"{"snapshot.json":{"version":1,"hashes":{}}}"#),
        ])
    func malformedCommon(field: String, value: String) throws {
        let good = TimestampMetadata(version: 1, expires: Self.expires, snapshot: MetadataFileInfo(version: 1)).json
        var members = try #require(good.object)
        members[field] = try parse(value)
        #expect(throws: TUFError(.malformed, role: "timestamp", "")) {
            try TimestampMetadata(json: .object(members))
        }
        members[field] = nil
        #expect(throws: TUFError(.malformed, role: "timestamp", "")) {
            try TimestampMetadata(json: .object(members))
        }
    }

    @Test("a root is made only of roles with enough keys, drops keys that nobody uses, and keeps exactly four roles")
    func makingRoots() throws {
        let signers = try (0..<5).map { _ in try TestSigner().publicKey }
        func roles(_ threshold: Int) -> [TopLevelRole: (keys: [PublicKey], threshold: Int)] {
            [
                .root: ([signers[0]], threshold), .timestamp: ([signers[1]], 1), .snapshot: ([signers[2]], 1),
                .targets: ([signers[3]], 1),
            ]
        }
        for threshold in [0, 2] {
            #expect(throws: TUFError(.malformed, role: "root", "")) {
                try RootMetadata.new(expires: Self.expires, roles: roles(threshold))
            }
        }
        let root = try RootMetadata.new(expires: Self.expires + .milliseconds(500), roles: roles(1))
        #expect(root.consistentSnapshot)
        #expect(root.keys.count == 4)
        let json = root.json
        #expect(json["roles"]?.object?.count == 4)
        #expect(json["expires"]?.string == Self.expires.description, "whole seconds, as the specification has them")
        let next = try root.next(expires: Self.expires, replacing: [.timestamp: ([signers[4]], 1)])
        #expect(next.version == 2)
        #expect(next.keys[signers[1].keyID] == nil)
        #expect(next.verifier(for: .timestamp).keys == [signers[4].keyID: signers[4]])
        #expect(next.verifier(for: .root) == root.verifier(for: .root))
    }

    @Test(
        "file names are encoded to one path segment",
        arguments: [
            ("root", 3, "3.root.json"), ("a/b", nil, "a%2Fb.json"),
            ("../../etc/passwd", nil, "..%2F..%2Fetc%2Fpasswd.json"),
            ("\u{0}", nil, "%00.json"), ("a%2F", nil, "a%252F.json"), ("A-z_0.9~", nil, "A-z_0.9~.json"),
        ] as [(String, Int?, String)])
    func fileNames(role: String, version: Int?, name: String) {
        #expect(MetadataPath.file(role, version: version) == name)
    }

    @Test("a target is checked by length and every known hash")
    func targetCheck() throws {
        let bytes = Array("content".utf8)
        let digest = Digest.of(bytes)
        let file = TargetFile(length: 7, digest: digest)
        try file.check(bytes, path: "p")
        #expect(file.names(digest, length: 7))
        #expect(!file.names(digest, length: 8))
        #expect(!file.names(Digest.of([]), length: 7))
        #expect(throws: TUFError(.lengthExceeded, role: "p", "")) { try file.check(bytes + [0], path: "p") }
        #expect(throws: TUFError(.lengthMismatch, role: "p", "")) { try file.check([], path: "p") }
        #expect(throws: TUFError(.hashMismatch, role: "p", "")) { try file.check(Array("Content".utf8), path: "p") }
        let both = TargetFile(length: 7, hashes: ["sha256": digest.hex, "sha512": digest.hex])
        #expect(throws: TUFError(.hashMismatch, role: "p", "")) { try both.check(bytes, path: "p") }
        let unknown = TargetFile(length: 7, hashes: ["md5": "00"])
        #expect(throws: TUFError(.hashMismatch, role: "p", "")) { try unknown.check(bytes, path: "p") }
        let mixed = TargetFile(length: 7, hashes: ["md5": "00", "sha256": digest.hex.uppercased()])
        try mixed.check(bytes, path: "p")
    }
}

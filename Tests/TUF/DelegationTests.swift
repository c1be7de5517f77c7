import MartletTypes
import TUF
import Testing

@Suite("Delegations")
struct DelegationTests {
    let now = RepositorySimulator.start

    /// A delegation in a test graph.
    struct Edge: Sendable {
        var from = "targets"
        var to: String
        var paths: [String] = ["*"]
        var terminating = false
    }

    struct Graph: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let edges: [Edge]
        let visited: [String]
    }

    static let graphs = [
        Graph(
            testDescription: "siblings in the order in which they stand",
            edges: [Edge(to: "B"), Edge(to: "A"), Edge(to: "C")], visited: ["B", "A", "C"]),
        Graph(
            testDescription: "children before siblings",
            edges: [Edge(to: "A"), Edge(to: "B"), Edge(from: "A", to: "C"), Edge(from: "C", to: "D")],
            visited: ["A", "C", "D", "B"]),
        Graph(
            testDescription: "nothing after a terminating role but its own children",
            edges: [Edge(to: "A"), Edge(to: "B", terminating: true), Edge(to: "C"), Edge(from: "B", to: "D")],
            visited: ["A", "B", "D"]),
        Graph(
            testDescription: "a terminating role in depth ends the search of what waits above too",
            edges: [
                Edge(to: "A"), Edge(to: "B"), Edge(from: "A", to: "C", terminating: true), Edge(from: "A", to: "D"),
            ],
            visited: ["A", "C"]),
        Graph(
            testDescription: "a terminating role that does not cover the path ends nothing",
            edges: [Edge(to: "A", paths: ["no/*"], terminating: true), Edge(to: "B")], visited: ["B"]),
        Graph(
            testDescription: "a cycle is walked once",
            edges: [Edge(to: "A"), Edge(from: "A", to: "B"), Edge(from: "B", to: "A"), Edge(from: "B", to: "B")],
            visited: ["A", "B"]),
        Graph(
            testDescription: "a role reached twice is visited where it is met first",
            edges: [Edge(to: "A"), Edge(to: "B"), Edge(from: "A", to: "B")], visited: ["A", "B"]),
        Graph(
            testDescription: "patterns do not cross a slash",
            edges: [Edge(to: "A", paths: ["*/*"]), Edge(to: "B", paths: ["?arget"])], visited: ["B"]),
    ]

    @Test("are walked in pre-order", arguments: graphs)
    func walk(graph: Graph) async throws {
        let repository = try RepositorySimulator()
        var signers: [String: [TestSigner]] = [:]
        for edge in graph.edges {
            if signers[edge.to] == nil { signers[edge.to] = [try TestSigner()] }
            try repository.delegate(
                edge.to, from: edge.from, paths: .patterns(edge.paths), terminating: edge.terminating,
                signers: signers[edge.to])
        }
        let client = try repository.client()
        try await client.refresh(now: now)
        repository.forgetRequests()
        #expect(try await client.target("target") == nil)
        let visited = repository.requests.map { String($0.dropLast(5).drop { $0 != "." }.dropFirst()) }
        #expect(visited == graph.visited)
    }

    @Test("the first role on the way wins, and no role is asked after it")
    func firstWins() async throws {
        let repository = try RepositorySimulator()
        try repository.delegate("A", paths: .patterns(["*"]), files: ["t": .of("from A")])
        try repository.delegate("B", paths: .patterns(["*"]), files: ["t": .of("from B"), "u": .of("u")])
        let client = try repository.client()
        try await client.refresh(now: now)
        #expect(try await client.target("t") == .of("from A"))
        #expect(await client.metadata("B") == nil)
        #expect(try await client.target("u") == .of("u"))
    }

    @Test("a role does not speak for paths that were not delegated to it")
    func confined() async throws {
        let repository = try RepositorySimulator()
        try repository.delegate("A", paths: .patterns(["a/*"]), files: ["b/t": .of("evil"), "a/t": .of("good")])
        let client = try repository.client()
        try await client.refresh(now: now)
        #expect(try await client.target("b/t") == nil)
        #expect(try await client.target("a/t") == .of("good"))
    }

    @Test("hash prefixes choose by the hash of the path")
    func hashPrefixes() async throws {
        let repository = try RepositorySimulator()
        let hex = Digest.of(Array("some/target".utf8)).hex
        try repository.delegate("wrong", paths: .hashPrefixes([hex.prefix(3) == "000" ? "1" : "000"]))
        try repository.delegate(
            "right", paths: .hashPrefixes(["zz", String(hex.prefix(3))]), files: ["some/target": .of("x")])
        let client = try repository.client()
        try await client.refresh(now: now)
        #expect(try await client.target("some/target") == .of("x"))
        #expect(await client.metadata("wrong") == nil)
    }

    @Test("more delegated roles than the limit end the search with an error, not with an answer")
    func limit() async throws {
        let repository = try RepositorySimulator()
        for index in 0..<4 { try repository.delegate("r\(index)", paths: .patterns(["*"])) }
        var limits = TUFClientLimits()
        limits.delegations = 4
        let allowed = try repository.client(limits: limits)
        try await allowed.refresh(now: now)
        #expect(try await allowed.target("t") == nil)
        limits.delegations = 3
        let refused = try repository.client(limits: limits)
        try await refused.refresh(now: now)
        #expect(await reason { _ = try await refused.target("t") } == .tooManyDelegations)
    }

    @Test("a role that snapshot does not name is not even fetched")
    func notInSnapshot() async throws {
        let repository = try RepositorySimulator()
        try repository.delegate("A", paths: .patterns(["*"]), files: ["t": .of("t")])
        repository.snapshot.roles["A"] = nil
        try repository.release()
        let client = try repository.client()
        try await client.refresh(now: now)
        repository.forgetRequests()
        #expect(await reason { _ = try await client.target("t") } == .unknownRole)
        #expect(repository.requests.isEmpty)
    }

    @Test("what one delegator's keys verified is verified anew when another delegator leads to it")
    func diamond() async throws {
        let repository = try RepositorySimulator()
        let signerOfA = try TestSigner()
        let signerOfB = try TestSigner()
        try repository.delegate("parent-a", paths: .patterns(["a/*"]))
        try repository.delegate("parent-b", paths: .patterns(["b/*"]))
        try repository.delegate("release", from: "parent-b", paths: .patterns(["b/*"]), signers: [signerOfB])
        try repository.delegate(
            "release", from: "parent-a", paths: .patterns(["a/*"]), signers: [signerOfA],
            files: ["a/t": .of("good"), "b/t": .of("evil")])
        let store = InMemoryMetadataStore()
        let client = try repository.client(store: store)
        try await client.refresh(now: now)
        #expect(try await client.target("a/t") == .of("good"))
        #expect(await reason { _ = try await client.target("b/t") } == .badSignature)
        let next = try repository.client(store: store)
        try await next.refresh(now: now)
        #expect(
            await reason { _ = try await next.target("b/t") } == .badSignature, "nor after a restart, from the store")
        #expect(try await next.target("a/t") == .of("good"))
    }

    @Test("a stored role is not trusted any more once its delegator has taken its key away")
    func revoked() async throws {
        let repository = try RepositorySimulator()
        try repository.delegate("A", paths: .patterns(["*"]), files: ["t": .of("t")])
        let store = InMemoryMetadataStore()
        let client = try repository.client(store: store)
        try await client.refresh(now: now)
        #expect(try await client.target("t") == .of("t"))
        let fresh = try TestSigner()
        try repository.update { targets in
            guard case .named(var roles) = targets.delegations?.roles else { return }
            roles[0].keys = RoleKeys(keyIDs: [fresh.publicKey.keyID], threshold: 1)
            targets.delegations = Delegations(keys: [fresh.publicKey.keyID: fresh.publicKey], roles: .named(roles))
        }
        try await client.refresh(now: now)
        #expect(await reason { _ = try await client.target("t") } == .badSignature)
        repository.signers["A"] = [fresh]
        try repository.update("A")
        try await client.refresh(now: now)
        #expect(try await client.target("t") == .of("t"))
    }

    @Test(
        "attacks on a delegated role are refused by name",
        arguments: [
            ("expired", TUFError.Reason.expired), ("version", .versionMismatch), ("signature", .badSignature),
            ("threshold", .thresholdNotMet), ("missing", .missing), ("type", .wrongType), ("hash", .hashMismatch),
            ("long", .lengthExceeded),
        ])
    func attacks(name: String, expected: TUFError.Reason) async throws {
        let repository = try RepositorySimulator()
        let signers = [try TestSigner(), try TestSigner()]
        repository.promisesHashes = ["hash", "long"].contains(name)
        try repository.delegate("A", paths: .patterns(["*"]), threshold: 2, signers: signers, files: ["t": .of("t")])
        let path = "1.A.json"
        switch name {
        case "expired": try repository.update("A") { $0.expires = now }
        case "version":
            try repository.update("A")
            repository.files["2.A.json"] = repository.files[path]
        case "signature":
            repository.signers["A"] = [try TestSigner(), try TestSigner()]
            try repository.update("A")
        case "threshold":
            repository.signers["A"] = [signers[0]]
            try repository.update("A")
        case "missing": repository.files[path] = nil
        case "type": repository.files[path] = try SignedEnvelope.sign(repository.snapshot.json, by: signers).encoded()
        case "hash": repository.files[path] = repository.files[path]?.map { $0 == 0x31 ? 0x32 : $0 }
        default: repository.files[path]?.append(0x20)
        }
        let client = try repository.client()
        try await client.refresh(now: now)
        #expect(await reason { _ = try await client.target("t") } == expected)
    }

    @Test(
        "patterns match component by component",
        arguments: [
            ("clinic/*/*", "clinic/triage/1.0.0", true), ("clinic/*/*", "clinic/a/b/1.0.0", false),
            ("clinic/*", "clinic/", true), ("clinic/*", "clinic", false), ("*", "x", true), ("*", "x/y", false),
            ("*.tgz", "a.tgz", true), ("*.tgz", "a.tar", false), ("a?c", "abc", true), ("a?c", "ac", false),
            ("foo-version-?.tgz", "foo-version-a.tgz", true), ("[ab]x", "ax", true), ("[ab]x", "cx", false),
            ("[!ab]x", "cx", true), ("[a-c]x", "bx", true), ("[a-c]x", "dx", false), ("[]]x", "]x", true),
            ("[x", "[x", true), ("a*b*c", "aXXbYYc", true), ("a*b*c", "aXXbYY", false), ("", "", true),
            ("", "a", false),
            ("targets/*.tgz", "targets/../x.tgz", false),
            ("*a*a*a*a*a*a*a*a*a*a*a*b", String(repeating: "a", count: 200), false),
            ("ü*", "üx", true), ("/x", "/x", true), ("*/x", "/x", true),
        ])
    func patterns(pattern: String, path: String, matches: Bool) {
        #expect(PathPattern.matches(path, pattern) == matches)
    }

    @Test(
        "hash bins are numbered as TAP 15 has it",
        arguments: [
            (1, 2, "1"), (4, 16, "f"), (5, 32, "1f"), (8, 256, "ff"), (10, 1024, "3ff"),
        ])
    func bins(bitLength: Int, count: Int, last: String) throws {
        let bins = try SuccinctRoles(bitLength: bitLength, namePrefix: "bin", keyIDs: [], threshold: 1)
        #expect(bins.binCount == count)
        #expect(bins.name(ofBin: count - 1) == "bin-" + last)
        #expect(bins.contains("bin-" + last))
        #expect(bins.contains(bins.role(forTarget: "clinic/triage/1.2.0")))
        for stranger in [
            "bin-", "bin-" + last + "0", "bin-g", "bin", "x-" + last, "bin-+" + last.dropFirst(), "bin--1",
        ] {
            #expect(!bins.contains(stranger), "\(stranger)")
        }
    }
}

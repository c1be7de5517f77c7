import MartletTypes
import TUF
import Testing

@Suite("Client workflow")
struct WorkflowTests {
    let now = RepositorySimulator.start

    @Test("a first refresh asks for the next root, timestamp, snapshot and targets, in that order")
    func order() async throws {
        let repository = try RepositorySimulator()
        let store = InMemoryMetadataStore()
        let client = try repository.client(store: store)
        try await client.refresh(now: now)
        #expect(repository.requests == ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"])
        #expect(await client.versions == (1, 1, 1))
        for (role, path) in [("root", "1.root.json"), ("timestamp", "timestamp.json"), ("snapshot", "1.snapshot.json")]
        {
            #expect(store.load(role) == repository.files[path], "\(role) is stored byte for byte")
        }
    }

    @Test("when nothing changed only root and timestamp are asked for")
    func nothingChanged() async throws {
        let repository = try RepositorySimulator()
        let store = InMemoryMetadataStore()
        try await repository.client(store: store).refresh(now: now)
        repository.forgetRequests()
        let client = try repository.client(store: store)
        #expect(await client.versions == (1, 1, 1), "known before the first refresh after a restart")
        try await client.refresh(now: now)
        #expect(repository.requests == ["2.root.json", "timestamp.json"])
    }

    @Test("without consistent snapshots files are asked for by their plain names")
    func withoutConsistentSnapshot() async throws {
        let repository = try RepositorySimulator(consistentSnapshot: false)
        try repository.delegate("team", paths: .patterns(["a/*"]), files: ["a/b": .of("b")])
        let client = try repository.client()
        try await client.refresh(now: now)
        #expect(try await client.target("a/b") == .of("b"))
        #expect(
            repository.requests == ["2.root.json", "timestamp.json", "snapshot.json", "targets.json", "team.json"])
    }

    @Test("targets and delegations are found, absent ones are nil", arguments: [false, true])
    func finding(promisesHashes: Bool) async throws {
        let repository = try RepositorySimulator()
        repository.promisesHashes = promisesHashes
        try repository.update { $0.targets["top"] = .of("top") }
        try repository.delegate("team", paths: .patterns(["team/*"]), files: ["team/x": .of("x")])
        let client = try repository.client()
        try await client.refresh(now: now)
        #expect(try await client.target("top") == .of("top"))
        #expect(try await client.target("team/x") == .of("x"))
        #expect(try await client.target("team/y") == nil)
        #expect(try await client.target("other/x") == nil)
        #expect(await client.metadata("team")?.version == 1)
    }

    @Test("a role that was loaded is not fetched again, neither in one run nor in the next")
    func cachedRoles() async throws {
        let repository = try RepositorySimulator()
        try repository.delegate("team", paths: .patterns(["team/*"]), files: ["team/x": .of("x")])
        let store = InMemoryMetadataStore()
        let client = try repository.client(store: store)
        try await client.refresh(now: now)
        _ = try await client.target("team/x")
        repository.forgetRequests()
        _ = try await client.target("team/x")
        #expect(repository.requests.isEmpty)
        let next = try repository.client(store: store)
        try await next.refresh(now: now)
        _ = try await next.target("team/x")
        #expect(repository.requests == ["2.root.json", "timestamp.json"])
    }

    @Test("a target cannot be asked for before a refresh succeeded, nor after one failed")
    func needsRefresh() async throws {
        let repository = try RepositorySimulator()
        let client = try repository.client()
        #expect(await reason { _ = try await client.target("x") } == .outOfOrder)
        try await client.refresh(now: now)
        #expect(try await client.target("x") == nil)
        repository.files["timestamp.json"] = nil
        #expect(await reason { try await client.refresh(now: now) } == .missing)
        #expect(await reason { _ = try await client.target("x") } == .outOfOrder)
    }

    @Test("root is followed step by step through rotations of every role")
    func rotations() async throws {
        let repository = try RepositorySimulator()
        let client = try repository.client()
        try await client.refresh(now: now)
        for role in TopLevelRole.allCases {
            try repository.rotate(role, to: [TestSigner(.p256), TestSigner()], threshold: 2)
            try repository.publishTargets("targets")
            try repository.update()
            try await client.refresh(now: now)
        }
        #expect(await client.versions.root == 5)
        #expect(await client.rootKeys(for: .root).threshold == 2)
    }

    @Test("a client with an old root follows the whole chain, expired links included")
    func longChain() async throws {
        let repository = try RepositorySimulator()
        for index in 0..<5 {
            let former = repository.signers["root", default: []]
            repository.signers["root"] = [try TestSigner()]
            repository.root = try repository.root.next(
                expires: index == 4 ? RepositorySimulator.yearLater : now - .seconds(1),
                replacing: [.root: (repository.signers["root", default: []].map(\.publicKey), 1)])
            try repository.publishRoot(signers: former)
        }
        let client = try repository.client()
        try await client.refresh(now: now)
        #expect(await client.versions.root == 6)
    }

    @Test("no more rotations are followed in one refresh than the limit; the next goes on from there")
    func rotationLimit() async throws {
        let repository = try RepositorySimulator()
        for _ in 0..<5 { try repository.rotate(.root, to: [TestSigner()]) }
        var limits = TUFClientLimits()
        limits.rootRotations = 3
        let client = try repository.client(limits: limits)
        try await client.refresh(now: now)
        #expect(await client.versions.root == 4)
        try await client.refresh(now: now)
        #expect(await client.versions.root == 6)
    }

    @Test("a newer root that the client is born with wins over an older stored one")
    func newerAnchor() async throws {
        let repository = try RepositorySimulator()
        let store = InMemoryMetadataStore()
        try await repository.client(store: store).refresh(now: now)
        try repository.rotate(.root, to: [TestSigner()])
        let anchor = try #require(repository.files["2.root.json"])
        let client = try TUFClient(trustedRoot: anchor, fetcher: repository, store: store)
        #expect(await client.versions.root == 2)
        let older = try repository.client(store: store)
        #expect(await older.versions.root == 2, "and an older one does not win over the stored")
    }

    @Test("a stored root that is damaged gives way to the one the client is born with")
    func damagedRoot() async throws {
        let repository = try RepositorySimulator()
        try repository.rotate(.root, to: [TestSigner()])
        let store = InMemoryMetadataStore()
        try await repository.client(store: store).refresh(now: now)
        store.save("root", Array("{\"half\":".utf8))
        let client = try repository.client(store: store)
        try await client.refresh(now: now)
        #expect(await client.versions.root == 2)
    }

    @Test("calls that come at once are served one after the other")
    func concurrent() async throws {
        let repository = try RepositorySimulator()
        try repository.update { $0.targets["a"] = .of("a") }
        let client = try repository.client()
        try await client.refresh(now: now)
        let found = await withTaskGroup(of: Bool.self) { group in
            for index in 0..<20 {
                group.addTask {
                    do {
                        if index.isMultiple(of: 3) { try await client.refresh(now: RepositorySimulator.start) }
                        return try await client.target("a") == .of("a")
                    } catch {
                        return false
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(found == Array(repeating: true, count: 20))
    }

    @Test(
        "role names that look like paths are requested percent-encoded",
        arguments: [
            ("../x", "1...%2Fx.json"), ("/x", "1.%2Fx.json"), ("?", "1.%3F.json"), ("#", "1.%23.json"),
            ("a b", "1.a%20b.json"), ("ü", "1.%C3%BC.json"), ("..", "1....json"), ("x.json", "1.x.json.json"),
        ])
    func unusualNames(name: String, path: String) async throws {
        let repository = try RepositorySimulator()
        try repository.delegate(name, paths: .patterns(["*"]), files: ["t": .of("t")])
        let client = try repository.client()
        try await client.refresh(now: now)
        #expect(try await client.target("t") == .of("t"))
        #expect(repository.requests.last == path)
    }
}

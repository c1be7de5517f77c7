import MartletTypes
import TUF
import Testing

@Suite("Attacks")
struct AttackTests {
    static let now = RepositorySimulator.start

    @Test(
        "is refused by its name, leaves what was trusted, and does not block the next honest update",
        arguments: AttackTable.all)
    func refused(attack: Attack) async throws {
        let honest = try AttackTable.honest()
        let store = InMemoryMetadataStore()
        let client = try honest.client(store: store)
        try await client.refresh(now: Self.now)
        _ = try await client.target("team/x")
        let before = await client.versions
        let targetsBefore = store.load("targets")

        let hostile = try honest.copy()
        try attack.mount(hostile)
        let victim = try hostile.client(store: store)
        #expect(await reason { try await victim.refresh(now: Self.now) } == attack.reason)
        let after = await victim.versions
        // A rotation of its keys by a valid root makes the client forget timestamp, as it should.
        if after.root == before.root {
            #expect(after.timestamp >= before.timestamp && after.snapshot >= before.snapshot)
        }
        #expect(store.load("targets") == targetsBefore)
        #expect(await reason { _ = try await victim.target("a") } == .outOfOrder)

        // Honest again, past whatever versions the attack used with stolen online keys.
        let recovered = try hostile.copy()
        recovered.files = honest.files
        recovered.root = honest.root
        recovered.signers = honest.signers
        recovered.targets = honest.targets
        recovered.snapshot.roles = honest.snapshot.roles
        recovered.snapshot.expires = RepositorySimulator.yearLater
        recovered.timestamp.expires = RepositorySimulator.yearLater
        recovered.snapshot.version = max(honest.snapshot.version, hostile.snapshot.version)
        recovered.timestamp.version = max(honest.timestamp.version, hostile.timestamp.version)
        if after.root > honest.root.version { return }  // A root that was accepted is the owner's own doing.
        try recovered.update { $0.targets["b"] = .of("b") }
        let survivor = try recovered.client(store: store)
        try await survivor.refresh(now: Self.now)
        #expect(try await survivor.target("b") == .of("b"))
        #expect(try await survivor.target("team/y") == .of("y"))
    }

    @Test("which role is older than what was seen is found again in the words that tell of it")
    func behind() async throws {
        let repository = try AttackTable.honest()
        let store = InMemoryMetadataStore()
        try await repository.client(store: store).refresh(now: Self.now)
        let seen = try #require(repository.snapshot.roles["team"]?.version)
        repository.snapshot.roles["team"] = MetadataFileInfo(version: seen - 1)
        try repository.release()
        do {
            try await repository.client(store: store).refresh(now: Self.now)
            Issue.record("an older role was taken")
        } catch let error as TUFError {
            let told = "Slot s: \(error.message) \(error.remedy)"
            let behind = try #require(RoleBehind(message: told))
            #expect(behind.role == "team" && behind.named == seen - 1 && behind.seen == seen)
        }
        let others = [
            "", "Snapshot names clinic", "Snapshot names a b, older than c.", "Snapshot 7 lacks role clinic.",
        ]
        for words in others {
            #expect(RoleBehind(message: words) == nil, "\(words)")
        }
    }

    @Test("a timestamp of the same version but other content is ignored")
    func sameVersion() async throws {
        let repository = try AttackTable.honest()
        let store = InMemoryMetadataStore()
        let client = try repository.client(store: store)
        try await client.refresh(now: Self.now)
        let stored = store.load("timestamp")
        repository.timestamp.expires = RepositorySimulator.yearLater + .seconds(9)
        try repository.publishTimestamp()
        try await client.refresh(now: Self.now)
        #expect(store.load("timestamp") == stored)
    }

    @Test("an expired stored timestamp still guards against rollback, and a fresh one replaces it")
    func expiredStoredTimestamp() async throws {
        let repository = try AttackTable.honest()
        repository.timestamp.expires = Self.now + .seconds(10)
        try repository.release()
        let store = InMemoryMetadataStore()
        try await repository.client(store: store).refresh(now: Self.now)
        let later = Self.now + .seconds(100)
        #expect(await reason { try await repository.client(store: store).refresh(now: later) } == .expired)

        repository.timestamp.version -= 1
        repository.timestamp.expires = RepositorySimulator.yearLater
        try repository.publishTimestamp()
        #expect(await reason { try await repository.client(store: store).refresh(now: later) } == .rollback)

        repository.timestamp.version += 2
        try repository.publishTimestamp()
        try await repository.client(store: store).refresh(now: later)
    }

    @Test("the initial root must be signed by its own keys", arguments: [false, true])
    func badAnchor(unsigned: Bool) throws {
        let repository = try RepositorySimulator()
        if unsigned {
            repository.signers["root"] = [try TestSigner()]
            try repository.publishRoot()
        } else {
            try repository.tamper("1.root.json") { $0["version"] = nil }
        }
        #expect(throws: TUFError.self) { try repository.client() }
    }

    @Test("a transport failure is passed on as it is and changes nothing")
    func transport() async throws {
        struct Down: Error {}
        struct DeadFetcher: MetadataFetcher {
            func fetch(_ path: String, limit: Int) async throws -> [UInt8]? { throw Down() }
        }
        let repository = try AttackTable.honest()
        let store = InMemoryMetadataStore()
        try await repository.client(store: store).refresh(now: Self.now)
        let client = try TUFClient(trustedRoot: repository.firstRoot, fetcher: DeadFetcher(), store: store)
        await #expect(throws: Down.self) { try await client.refresh(now: Self.now) }
        #expect(await client.versions.timestamp == repository.timestamp.version)
    }
}

import MartletTypes
import Synchronization
import TUF
import Testing

/// Bounds on what a client asks for and takes.
@Suite("Limits")
struct LimitTests {
    static let now = RepositorySimulator.start

    /// Passes on and remembers how much was allowed for each file.
    private final class Meter: MetadataFetcher {
        let base: RepositorySimulator
        let limits = Mutex<[String: Int]>([:])

        init(_ base: RepositorySimulator) { self.base = base }

        func fetch(_ path: String, limit: Int) async throws -> [UInt8]? {
            limits.withLock { $0[path] = limit }
            return try await base.fetch(path, limit: limit)
        }
    }

    private func meter(_ repository: RepositorySimulator) async throws -> [String: Int] {
        let meter = Meter(repository)
        let client = try TUFClient(
            trustedRoot: repository.firstRoot, fetcher: meter, store: InMemoryMetadataStore())
        try await client.refresh(now: Self.now)
        _ = try await client.target("team/x")
        return meter.limits.withLock { $0 }
    }

    @Test("each file is asked for with its own limit, and with the promised length where that is less")
    func asked() async throws {
        let plain = try await meter(try AttackTable.honest())
        #expect(plain["2.root.json"] == Limits.tufRootBytes)
        #expect(plain["timestamp.json"] == Limits.tufTimestampBytes)
        #expect(plain.filter { $0.key.hasSuffix("targets.json") || $0.key.hasSuffix("snapshot.json") }.count == 2)
        #expect(plain.filter { $0.key.hasSuffix("targets.json") }.values.allSatisfy { $0 == Limits.tufMetadataBytes })
        let repository = try AttackTable.honest(promisesHashes: true)
        try repository.update("team")
        let promised = try await meter(repository)
        for name in ["team", "snapshot"] {
            let path = try #require(promised.keys.first { $0.hasSuffix(".\(name).json") })
            #expect(promised[path] == repository.files[path]?.count, "\(path)")
        }
    }

    @Test("a promise beyond the limit does not widen it")
    func boast() async throws {
        let repository = try AttackTable.honest()
        repository.timestamp.snapshot.length = 1 << 40
        repository.timestamp.version += 1
        try repository.publishTimestamp()
        let meter = Meter(repository)
        let client = try TUFClient(
            trustedRoot: repository.firstRoot, fetcher: meter, store: InMemoryMetadataStore())
        #expect(await reason { try await client.refresh(now: Self.now) } == .lengthMismatch)
        let asked = meter.limits.withLock { $0 }.first { $0.key.hasSuffix(".snapshot.json") }
        #expect(asked?.value == Limits.tufMetadataBytes)
    }

    @Test("a delegated role without end is refused, others are found, and the next honest one too")
    func endlessRole() async throws {
        var limits = TUFClientLimits()
        limits.targetsBytes = 4096
        let repository = try AttackTable.honest()
        try repository.delegate("flood", paths: .patterns(["flood/*"]), files: ["flood/x": .of("x")])
        let path = MetadataPath.file("flood", version: repository.targets["flood"]?.version)
        let good = repository.files[path]
        repository.files[path] = [UInt8](repeating: 0x20, count: 4097)
        let client = try repository.client(limits: limits)
        try await client.refresh(now: Self.now)
        #expect(await reason { _ = try await client.target("flood/x") } == .lengthExceeded)
        #expect(try await client.target("team/x") == .of("x"))
        repository.files[path] = good
        #expect(try await client.target("flood/x") == .of("x"))
    }

    @Test(
        "a snapshot and targets without end are refused where no length was promised",
        arguments: ["snapshot", "targets"])
    func endless(role: String) async throws {
        var limits = TUFClientLimits()
        limits.snapshotBytes = 4096
        limits.targetsBytes = 4096
        let repository = try AttackTable.honest()
        let version = role == "snapshot" ? repository.snapshot.version : repository.targets[role]?.version
        repository.files[MetadataPath.file(role, version: version)] = [UInt8](repeating: 0x20, count: 4097)
        let client = try repository.client(limits: limits)
        #expect(await reason { try await client.refresh(now: Self.now) } == .lengthExceeded)
    }

    @Test("a bin that its namespace's keys did not sign, or that lies under another bin's name, is refused by name")
    func bins() async throws {
        let repository = try RepositorySimulator()
        let publisher = try TestSigner()
        let layout = try NamespaceLayout("clinic", bitLength: 3)
        repository.signers["clinic"] = [publisher]
        for bin in layout.bins { repository.signers[bin] = [publisher] }
        let targets = try layout.delegated(
            in: try #require(repository.targets["targets"]), keys: [publisher.publicKey], threshold: 1)
        try repository.update { $0.delegations = targets.delegations }
        let role = try layout.namespaceRole(keys: [publisher.publicKey], threshold: 1, now: Self.now)
        try repository.update("clinic") { $0.delegations = role.delegations }
        for bin in layout.bins { try repository.update(bin) }
        let path = "clinic/triage/1.0.0"
        let bin = try layout.bin(for: path)
        try repository.update(bin) { $0.targets[path] = .of("x") }
        let other = try #require(layout.bins.first { $0 != bin })
        let client = try repository.client()
        try await client.refresh(now: Self.now)
        #expect(try await client.target(path) == .of("x"))

        // In a bin that the path does not fall into, nobody finds it.
        try repository.update(bin) { $0.targets = [:] }
        try repository.update(other) { $0.targets[path] = .of("evil") }
        try await client.refresh(now: Self.now)
        #expect(try await client.target(path) == nil)

        // Served under the right bin's name it is not of that bin's version.
        let version = try #require(repository.targets[bin]?.version)
        let swapped = repository.files[MetadataPath.file(other, version: repository.targets[other]?.version)]
        try repository.update(bin)
        repository.files[MetadataPath.file(bin, version: version + 1)] = swapped
        try await client.refresh(now: Self.now)
        #expect(await reason { _ = try await client.target(path) } == .versionMismatch)

        repository.signers[bin] = [try TestSigner()]
        try repository.update(bin) { $0.targets[path] = .of("evil") }
        try await client.refresh(now: Self.now)
        #expect(await reason { _ = try await client.target(path) } == .badSignature)
    }
}

import MartletTypes
import Synchronization
import TUF
import Testing

/// A store whose process dies at a chosen write: before the write took effect, or just after.
final class CrashingStore: MetadataStore {
    struct Crash: Error {}

    private struct State {
        var files: [String: [UInt8]]
        var writesLeft: Int
        var writes = 0
    }

    private let state: Mutex<State>
    private let keepsLastWrite: Bool

    init(_ files: [String: [UInt8]] = [:], crashAt write: Int = .max, keepsLastWrite: Bool = false) {
        state = Mutex(State(files: files, writesLeft: write))
        self.keepsLastWrite = keepsLastWrite
    }

    /// What a new process would find.
    var files: [String: [UInt8]] { state.withLock { $0.files } }
    var writes: Int { state.withLock { $0.writes } }

    func load(_ role: String) throws -> [UInt8]? { state.withLock { $0.files[role] } }
    func save(_ role: String, _ bytes: [UInt8]) throws { try write { $0[role] = bytes } }
    func remove(_ role: String) throws { try write { $0[role] = nil } }

    private func write(_ change: (inout [String: [UInt8]]) -> Void) throws {
        try state.withLock { state in
            state.writes += 1
            state.writesLeft -= 1
            if state.writesLeft < 0 { throw Crash() }
            let dies = state.writesLeft == 0
            if !dies || keepsLastWrite { change(&state.files) }
            if dies {
                state.writesLeft = -1
                throw Crash()
            }
        }
    }
}

@Suite("Crashes between writes")
struct CrashTests {
    static let now = RepositorySimulator.start

    /// A repository whose online versions were driven up by a thief, seen by a client, and then recovered by rotation.
    struct Scenario {
        let seen: RepositorySimulator
        let recovered: RepositorySimulator
        let files: [String: [UInt8]]
    }

    static func scenario(rotating roles: [TopLevelRole]) async throws -> Scenario {
        let seen = try RepositorySimulator()
        try seen.delegate("team", paths: .patterns(["team/*"]), files: ["team/x": .of("x")])
        seen.timestamp.version = 1_000_000
        seen.snapshot.version = 1_000_000
        try seen.release()
        let store = CrashingStore()
        let client = try seen.client(store: store)
        try await client.refresh(now: now)
        _ = try await client.target("team/x")

        let recovered = try seen.copy()
        for role in roles { try recovered.rotate(role, to: [TestSigner()]) }
        if roles.contains(.timestamp) || roles.contains(.snapshot) {
            recovered.timestamp.version = roles.contains(.timestamp) ? 4 : recovered.timestamp.version
            recovered.snapshot.version = 4
        }
        try recovered.update("team") { $0.targets["team/y"] = .of("y") }
        return Scenario(seen: seen, recovered: recovered, files: store.files)
    }

    static func run(_ repository: RepositorySimulator, _ store: CrashingStore) async throws -> TargetFile? {
        let client = try repository.client(store: store)
        try await client.refresh(now: now)
        return try await client.target("team/y")
    }

    @Test(
        "leave a client that can update later",
        arguments: [
            [], [.timestamp], [.snapshot], [.timestamp, .snapshot], [.root, .targets], TopLevelRole.allCases,
        ] as [[TopLevelRole]])
    func recover(roles: [TopLevelRole]) async throws {
        let scenario = try await Self.scenario(rotating: roles)
        if roles.contains(.targets) { try scenario.recovered.update() }
        let whole = CrashingStore(scenario.files)
        #expect(try await Self.run(scenario.recovered, whole) == .of("y"))
        #expect(whole.writes >= 3)
        for write in 1...whole.writes {
            for keepsLastWrite in [false, true] {
                let dying = CrashingStore(scenario.files, crashAt: write, keepsLastWrite: keepsLastWrite)
                await #expect(throws: CrashingStore.Crash.self) { try await Self.run(scenario.recovered, dying) }
                let reborn = CrashingStore(dying.files)
                let found = try await Self.run(scenario.recovered, reborn)
                #expect(found == .of("y"), "after a crash at write \(write) of \(whole.writes)")
                #expect(reborn.files == whole.files, "and nothing else stays in the store")
            }
        }
    }

    @Test("twice in a row leave a client that can update later")
    func twice() async throws {
        let scenario = try await Self.scenario(rotating: [.timestamp, .snapshot])
        let whole = CrashingStore(scenario.files)
        _ = try await Self.run(scenario.recovered, whole)
        for first in 1...whole.writes {
            for second in stride(from: 1, through: whole.writes, by: 3) {
                let one = CrashingStore(scenario.files, crashAt: first, keepsLastWrite: true)
                _ = try? await Self.run(scenario.recovered, one)
                let two = CrashingStore(one.files, crashAt: second)
                _ = try? await Self.run(scenario.recovered, two)
                #expect(try await Self.run(scenario.recovered, CrashingStore(two.files)) == .of("y"))
            }
        }
    }

    @Test("do not let whoever hides the new root replay what the old keys signed")
    func noReplay() async throws {
        let scenario = try await Self.scenario(rotating: [.snapshot])
        let whole = CrashingStore(scenario.files)
        _ = try await Self.run(scenario.recovered, whole)
        // An older state, signed by the keys that were valid then; the new root is withheld.
        let replay = try scenario.seen.copy()
        replay.timestamp.version = 500
        replay.snapshot.version = 500
        try replay.publishSnapshot()
        try replay.publishTimestamp()
        for write in 1...whole.writes {
            let dying = CrashingStore(scenario.files, crashAt: write, keepsLastWrite: true)
            _ = try? await Self.run(scenario.recovered, dying)
            let store = CrashingStore(dying.files)
            let refused = await reason { _ = try await Self.run(replay, store) }
            #expect(refused == .rollback || refused == .badSignature, "after a crash at write \(write)")
        }
    }

    @Test("a start and a refresh without news write nothing")
    func nothingWritten() async throws {
        let scenario = try await Self.scenario(rotating: [])
        let store = CrashingStore(scenario.files)
        let client = try scenario.seen.client(store: store)
        try await client.refresh(now: Self.now)
        _ = try await client.target("team/x")
        #expect(store.writes == 0)
    }

    @Test("a record of an adoption that does not follow the stored root is dropped")
    func foreignRecord() async throws {
        let scenario = try await Self.scenario(rotating: [.timestamp])
        for bytes in [Array("{".utf8), scenario.seen.firstRoot, try RepositorySimulator().firstRoot] {
            var files = scenario.files
            files["root.next"] = bytes
            let store = CrashingStore(files)
            #expect(try await Self.run(scenario.recovered, store) == .of("y"))
            #expect(store.files["root.next"] == nil)
        }
    }

    @Test(
        "versions that a thief drove up are forgotten when the keys are rotated, one by one",
        arguments: [
            TopLevelRole.timestamp, .snapshot,
        ])
    func fastForward(role: TopLevelRole) async throws {
        let scenario = try await Self.scenario(rotating: [role])
        let store = CrashingStore(scenario.files)
        let client = try scenario.recovered.client(store: store)
        try await client.refresh(now: Self.now)
        #expect(await client.versions.snapshot < 10)
    }
}

import MartletTypes
import Testing

@testable import RegistryStore

@Suite("Tokens")
struct TokenStoreTests {
    @Test("are found by their secret only, until they are removed; the secret is nowhere in the file")
    func tokens() async throws {
        let fixture = try await StoreFixture()
        let token = TokenRow(
            id: "t1", name: "ann", role: "publisher", namespaces: ["clinic"], fleets: [try FleetName("wards")],
            created: fixture.now, expires: fixture.now + .seconds(60))
        let secret = "martlet-secret-4711"
        #expect(try await fixture.database.read { try TokenStore($0).count() } == 0)
        try await fixture.database.write { try TokenStore($0).create(token, secret: secret) }
        func found(_ secret: String) async throws -> TokenRow? {
            try await fixture.database.read { try TokenStore($0).find(secret: secret) }
        }
        #expect(try await found(secret) == token)
        #expect(try await found(secret + "x") == nil)
        #expect(try await found(SecretHash.of(secret)) == nil)
        let twin = TokenRow(id: "t2", name: "ann", role: "viewer", created: fixture.now)
        #expect(
            await code {
                try await fixture.database.write { try TokenStore($0).create(twin, secret: "other") }
            } == .alreadyExists)
        let odd = TokenRow(id: "t3", name: "bob", role: "king", created: fixture.now)
        #expect(
            await code {
                try await fixture.database.write { try TokenStore($0).create(odd, secret: "other") }
            } == .conflict)
        let cells = try await fixture.database.read { try $0.query("SELECT secret_hash FROM tokens", []) }
        #expect(try cells.map { try $0.text("secret_hash") } == [SecretHash.of(secret)])
        #expect(try await fixture.database.read { try TokenStore($0).list() } == [token])
        #expect(try await fixture.database.write { try TokenStore($0).delete(id: "t1") } == token)
        #expect(try await fixture.database.write { try TokenStore($0).delete(id: "t1") } == nil)
    }

    @Test(
        "secrets' hashes are compared to their whole length",
        arguments: [
            ("abc", "abc", true), ("abc", "abd", false), ("abc", "ab", false), ("", "", true), ("abc", "xbc", false),
        ])
    func comparison(_ left: String, _ right: String, _ equal: Bool) {
        #expect(SecretHash.equal(left, right) == equal)
    }

    @Test("to join are good for as many devices as they say, also when all come at once")
    func joinTokens() async throws {
        let fixture = try await StoreFixture()
        let token = JoinTokenRow(
            id: "j1", usesLeft: 5, created: fixture.now, createdBy: "ann", expires: fixture.now + .seconds(60),
            labels: try Labels(["site": "berlin"]))
        try await fixture.database.write { try JoinTokenStore($0).create(token, secret: "s") }
        let outcomes = await withTaskGroup(of: StoreError.Code?.self) { group in
            for _ in 0..<12 {
                group.addTask {
                    await code {
                        try await fixture.database.write {
                            try JoinTokenStore($0).consume(secret: "s", now: fixture.now)
                        }
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(outcomes.filter { $0 == nil }.count == 5)
        #expect(outcomes.filter { $0 == .joinTokenRefused }.count == 7)
        #expect(try await fixture.database.read { try JoinTokenStore($0).list(now: fixture.now) }.isEmpty)
    }

    @Test("to join that are wrong, expired or revoked give one and the same answer")
    func refusedJoinTokens() async throws {
        let fixture = try await StoreFixture()
        let token = JoinTokenRow(
            id: "j1", usesLeft: 5, created: fixture.now, createdBy: "ann", expires: fixture.now + .seconds(60))
        try await fixture.database.write { try JoinTokenStore($0).create(token, secret: "s") }
        func consume(_ secret: String, _ now: Timestamp) async -> StoreError.Code? {
            await code { try await fixture.database.write { try JoinTokenStore($0).consume(secret: secret, now: now) } }
        }
        #expect(await consume("wrong", fixture.now) == .joinTokenRefused)
        #expect(await consume("s", fixture.now + .seconds(60)) == .joinTokenRefused)
        #expect(try await fixture.database.write { try JoinTokenStore($0).delete(id: "j1") })
        #expect(await consume("s", fixture.now) == .joinTokenRefused)
    }

    @Test("nonces are good once and until they expire")
    func nonces() async throws {
        let fixture = try await StoreFixture()
        let end = fixture.now + .seconds(60)
        try await fixture.database.write {
            try NonceStore($0).issue("n1", expires: end, now: fixture.now)
            try NonceStore($0).issue("n2", expires: end, now: fixture.now)
        }
        func consume(_ nonce: String, _ now: Timestamp) async throws -> Bool {
            try await fixture.database.write { try NonceStore($0).consume(nonce, now: now) }
        }
        #expect(try await consume("n1", fixture.now))
        #expect(try await !consume("n1", fixture.now))
        #expect(try await !consume("n2", end))
        #expect(try await !consume("n3", fixture.now))
    }
}

@Suite("Idempotency keys")
struct IdempotencyStoreTests {
    @Test("give the same answer again, to the same caller and request only")
    func answers() async throws {
        let fixture = try await StoreFixture()
        let answer = StoredAnswer(status: 201, mediaType: "application/json", body: [1, 2])
        let request = Digest.of([1])
        try await fixture.database.write {
            try IdempotencyStore($0).put(answer, caller: "ann", key: "k", request: request, now: fixture.now)
            try IdempotencyStore($0).put(
                StoredAnswer(status: 500, mediaType: "x", body: []), caller: "ann", key: "k", request: request,
                now: fixture.now)
        }
        func find(_ caller: String, _ request: Digest) async throws -> StoredAnswer? {
            try await fixture.database.read {
                try IdempotencyStore($0).find(caller: caller, key: "k", request: request)
            }
        }
        #expect(try await find("ann", request) == answer)
        #expect(try await find("bob", request) == nil)
        #expect(await code { try await find("ann", Digest.of([2])) } == .idempotencyMismatch)
        let pruned = try await fixture.database.write {
            try IdempotencyStore($0).prune(before: fixture.now + .seconds(1))
        }
        #expect(pruned == 1)
        #expect(try await find("ann", request) == nil)
    }
}

@Suite("Leases")
struct LeaseStoreTests {
    @Test("have one holder at a time, and a late one is found out by its fence")
    func fencing() async throws {
        let fixture = try await StoreFixture()
        func acquire(_ owner: String, _ seconds: Int64) async throws -> Lease? {
            try await fixture.database.write {
                try LeaseStore($0).acquire(
                    "ticks", owner: owner, for: .seconds(10), now: fixture.now + .seconds(seconds))
            }
        }
        func isValid(_ lease: Lease) async -> Bool {
            await code { try await fixture.database.write { try LeaseStore($0).check(lease) } } == nil
        }
        let first = try #require(try await acquire("a", 0))
        #expect(try await acquire("b", 5) == nil)
        let extended = try #require(try await acquire("a", 5))
        #expect(extended.fence == first.fence)
        #expect(try await acquire("b", 14) == nil)
        let second = try #require(try await acquire("b", 15))
        #expect(second.fence == first.fence + 1)
        #expect(await !isValid(first))
        #expect(await isValid(second))
        try await fixture.database.write { try LeaseStore($0).release(second) }
        let third = try #require(try await acquire("a", 16))
        #expect(third.fence == second.fence + 1)
        try await fixture.database.write { try LeaseStore($0).release(second) }
        #expect(await isValid(third))
        let again = try #require(try await acquire("a", 100))
        #expect(again.fence == third.fence + 1)
    }
}

import MartletTypes
import TUF
import Testing

@Suite("Namespace layout")
struct NamespaceLayoutTests {
    static let now = RepositorySimulator.start

    /// A repository with the namespaces and their signers, as `martlet trust` would make it.
    static func repository(
        _ namespaces: [(name: String, signers: [TestSigner], threshold: Int)]
    ) throws -> RepositorySimulator {
        let repository = try RepositorySimulator()
        repository.promisesHashes = true
        for (name, signers, threshold) in namespaces {
            let layout = try NamespaceLayout(name)
            let keys = signers.map(\.publicKey)
            let top = try layout.delegated(
                in: repository.targets["targets"] ?? TargetsMetadata(expires: now), keys: keys, threshold: threshold)
            for (role, envelope) in try layout.make(keys: keys, threshold: threshold, signers: signers, now: now) {
                repository.signers[role] = signers
                repository.targets[role] = try TargetsMetadata(json: envelope.signed)
                try repository.publishTargets(role)
            }
            try repository.update { $0.delegations = top.delegations }
        }
        return repository
    }

    static func publish(_ path: String, in namespace: String, _ repository: RepositorySimulator) throws {
        let bin = try NamespaceLayout(namespace).bin(for: path)
        let current = try #require(repository.targets[bin])
        let next = PublisherEdit.add(path: path, file: .of(path)).applied(to: current, now: now)
        try repository.update(bin) { $0.targets = next.targets }
    }

    @Test(
        "a published release is found with two fetches beyond the top level, at any depth that is covered",
        arguments: [
            "clinic/triage/1.2.0", "clinic/a/b/1.0.0", "clinic/a/b/c/1.0.0-rc.1", "clinic/a/b/c/d/1.0.0",
        ])
    func found(path: String) async throws {
        let signers = [try TestSigner(), try TestSigner(.p256)]
        let repository = try Self.repository([("clinic", signers, 2), ("shop", [try TestSigner()], 1)])
        try Self.publish(path, in: "clinic", repository)
        let client = try repository.client()
        try await client.refresh(now: Self.now)
        repository.forgetRequests()
        #expect(try await client.target(path) == .of(path))
        let bin = try NamespaceLayout("clinic").bin(for: path)
        #expect(repository.requests == ["1.clinic.json", "2.\(bin).json"])
    }

    @Test(
        "too shallow, too deep and foreign paths are nobody's",
        arguments: [
            "clinic/1.0.0", "clinic/a/b/c/d/e/1.0.0", "other/a/1.0.0", "clinics/a/1.0.0",
        ])
    func nobody(path: String) async throws {
        let repository = try Self.repository([("clinic", [try TestSigner()], 1)])
        try Self.publish(path, in: "clinic", repository)
        let client = try repository.client()
        try await client.refresh(now: Self.now)
        #expect(try await client.target(path) == nil)
    }

    @Test("a publisher cannot speak for another namespace, whatever its bins say")
    func confined() async throws {
        let repository = try Self.repository([("clinic", [try TestSigner()], 1), ("shop", [try TestSigner()], 1)])
        let path = "shop/stock/1.0.0"
        for bin in try NamespaceLayout("clinic").bins { try repository.update(bin) { $0.targets[path] = .of("evil") } }
        let client = try repository.client()
        try await client.refresh(now: Self.now)
        #expect(try await client.target(path) == nil)
    }

    @Test("a withdrawn release is found no more")
    func withdrawn() async throws {
        let repository = try Self.repository([("clinic", [try TestSigner()], 1)])
        let path = "clinic/triage/1.0.0"
        try Self.publish(path, in: "clinic", repository)
        let client = try repository.client()
        try await client.refresh(now: Self.now)
        #expect(try await client.target(path) != nil)
        let bin = try NamespaceLayout("clinic").bin(for: path)
        let next = PublisherEdit.remove(path: path).applied(to: try #require(repository.targets[bin]), now: Self.now)
        #expect(next.expires == Self.now + MetadataLifetime.namespace)
        try repository.update(bin) { $0.targets = next.targets }
        try await client.refresh(now: Self.now)
        #expect(try await client.target(path) == nil)
    }

    @Test(
        "names that another role has, or could have, are refused",
        arguments: [
            "root", "targets", "snapshot", "timestamp", "root.next", "clinic-bin-0", "a-bin-ff", "martlet", "", "A",
            "a/b",
            "..", "x_", String(repeating: "a", count: 64),
        ])
    func refusedNames(name: String) {
        #expect(throws: TUFError(.invalidName, role: name, "")) { try NamespaceLayout(name) }
    }

    @Test(
        "names that only resemble bins are allowed",
        arguments: ["clinic", "bin", "clinic-bin", "bin-0x", "a-bin-xyz", "a.b"])
    func allowedNames(name: String) throws {
        #expect(try NamespaceLayout(name).bins.count == 128)
    }

    @Test("a namespace can have more bins; readers take their number from its metadata", arguments: [1, 4, 5, 8, 12])
    func moreBins(bitLength: Int) throws {
        let layout = try NamespaceLayout("clinic", bitLength: bitLength)
        let role = try layout.namespaceRole(keys: [TestSigner().publicKey], threshold: 1, now: Self.now)
        #expect(try NamespaceLayout("clinic", of: role) == layout)
        #expect(layout.bins.count == 1 << bitLength)
        for path in ["clinic/a/1.0.0", "clinic/b/1.0.0"] {
            let bin = try layout.bin(for: path)
            #expect(layout.bins.contains(bin))
            #expect(role.delegations?.roles(covering: path).map(\.name) == [bin])
        }
        #expect(throws: TUFError(.malformed, role: "clinic", "")) {
            try NamespaceLayout("clinic", of: TargetsMetadata(expires: Self.now))
        }
        for wrong in [0, 13] {
            #expect(throws: TUFError(.invalidName, role: "clinic", "")) {
                try NamespaceLayout("clinic", bitLength: wrong)
            }
        }
    }

    @Test("delegating a namespace again replaces its keys in place and drops those that nobody uses")
    func redelegated() throws {
        let (old, new, other) = (try TestSigner().publicKey, try TestSigner().publicKey, try TestSigner().publicKey)
        let clinic = try NamespaceLayout("clinic")
        var top = try clinic.delegated(in: TargetsMetadata(expires: Self.now), keys: [old], threshold: 1)
        top = try NamespaceLayout("shop").delegated(in: top, keys: [other], threshold: 1)
        top = try clinic.delegated(in: top, keys: [new], threshold: 1)
        guard case .named(let roles) = top.delegations?.roles else {
            Issue.record("no roles")
            return
        }
        #expect(roles.map(\.name) == ["clinic", "shop"])
        #expect(top.delegations?.keys == [new.keyID: new, other.keyID: other])
        #expect(throws: TUFError(.malformed, role: "clinic", "")) {
            try clinic.delegated(in: top, keys: [new, new], threshold: 2)
        }
    }

    @Test("the repository accepts only the successor, signed by the delegator's keys and not expired")
    func accepting() throws {
        let signer = try TestSigner()
        let verifier = RoleVerifier(keys: [signer.publicKey.keyID: signer.publicKey], threshold: 1)
        func attempt(_ version: Int, expires: Timestamp, by signer: TestSigner) throws -> TargetsMetadata {
            let metadata = TargetsMetadata(version: version, expires: expires)
            return try MetadataRepository.acceptTargets(
                SignedEnvelope.sign(metadata.json, by: [signer]).encoded(), role: "clinic-bin-0", verifier: verifier,
                current: 4, now: Self.now)
        }
        let later = Self.now + .seconds(1)
        #expect(try attempt(5, expires: later, by: signer).version == 5)
        for (version, expires, signer, reason) in [
            (4, later, signer, TUFError.Reason.versionMismatch), (6, later, signer, .versionMismatch),
            (5, Self.now, signer, .expired), (5, later, try TestSigner(), .badSignature),
        ] {
            #expect(throws: TUFError(reason, role: "clinic-bin-0", "")) {
                try attempt(version, expires: expires, by: signer)
            }
        }
    }

    @Test("the repository accepts a first root of version 1 and then only successors")
    func acceptingRoots() throws {
        let repository = try RepositorySimulator()
        let first = try MetadataRepository.acceptRoot(repository.firstRoot, after: nil, now: Self.now)
        try repository.rotate(.root, to: [TestSigner()])
        let second = try #require(repository.files["2.root.json"])
        #expect(try MetadataRepository.acceptRoot(second, after: first, now: Self.now).version == 2)
        #expect(throws: TUFError(.versionMismatch, role: "root", "")) {
            try MetadataRepository.acceptRoot(second, after: nil, now: Self.now)
        }
        #expect(throws: TUFError(.expired, role: "root", "")) {
            try MetadataRepository.acceptRoot(second, after: first, now: RepositorySimulator.yearLater)
        }
    }

    @Test("snapshot and timestamp are composed with their lifetimes, length and hash")
    func composing() throws {
        let snapshot = MetadataRepository.snapshot(
            version: 7, now: Self.now, roles: ["targets": MetadataFileInfo(version: 3)])
        let bytes = try SignedEnvelope.sign(snapshot.json, by: [TestSigner()]).encoded()
        let timestamp = MetadataRepository.timestamp(
            version: 9, now: Self.now, snapshotVersion: 7, snapshotBytes: bytes)
        #expect(snapshot.expires == Self.now + .seconds(7 * 86_400))
        #expect(timestamp.expires == Self.now + .seconds(86_400))
        #expect(timestamp.snapshot.length == Int64(bytes.count))
        #expect(timestamp.snapshot.hashes == ["sha256": Digest.of(bytes).hex])
    }
}

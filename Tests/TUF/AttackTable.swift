import MartletTypes
import TUF
import Testing

/// One thing that a hostile repository or network does after a client has seen an honest state.
struct Attack: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let reason: TUFError.Reason
    let mount: @Sendable (RepositorySimulator) throws -> Void

    init(
        _ name: String, is reason: TUFError.Reason, _ mount: @escaping @Sendable (RepositorySimulator) throws -> Void
    ) {
        testDescription = name
        self.reason = reason
        self.mount = mount
    }
}

/// What is tried, and by what name each must be refused.
enum AttackTable {
    private static let now = RepositorySimulator.start

    static let all = rollbacks + mixtures + freezes + forgeries + floods

    /// The state that every attack starts from: all versions at 3 or above, a delegated role, hashes promised.
    static func honest(promisesHashes: Bool = false) throws -> RepositorySimulator {
        let repository = try RepositorySimulator()
        repository.promisesHashes = promisesHashes
        try repository.delegate("team", paths: .patterns(["team/*"]), files: ["team/x": .of("x")])
        try repository.update { $0.targets["a"] = .of("a") }
        try repository.update("team") { $0.targets["team/y"] = .of("y") }
        return repository
    }

    static let rollbacks = [
        Attack("an older timestamp is replayed", is: .rollback) { repository in
            repository.timestamp.version -= 1
            try repository.publishTimestamp()
        },
        Attack("a new timestamp names an older snapshot", is: .rollback) { repository in
            repository.timestamp.version += 1
            repository.timestamp.snapshot.version -= 1
            try repository.publishTimestamp()
        },
        Attack("a new snapshot names older targets", is: .rollback) { repository in
            repository.snapshot.roles["targets"] = MetadataFileInfo(version: 1)
            try repository.release()
        },
        Attack("a new snapshot names an older delegated role", is: .rollback) { repository in
            repository.snapshot.roles["team"] = MetadataFileInfo(version: 1)
            try repository.release()
        },
        Attack("a role vanishes from snapshot", is: .rollback) { repository in
            repository.snapshot.roles["team"] = nil
            try repository.release()
        },
        Attack("a root of the same version is served as the next", is: .versionMismatch) { repository in
            repository.files["2.root.json"] = repository.files["1.root.json"]
        },
        Attack("a root skips a version", is: .versionMismatch) { repository in
            try repository.rotate(.root, to: repository.signers["root"] ?? [])
            try repository.rotate(.root, to: repository.signers["root"] ?? [])
            repository.files["2.root.json"] = repository.files["3.root.json"]
        },
    ]

    static let mixtures = [
        Attack("an older snapshot stands under the new name", is: .versionMismatch) { repository in
            let older = repository.files[MetadataPath.file("snapshot", version: repository.snapshot.version)]
            try repository.release()
            repository.files[MetadataPath.file("snapshot", version: repository.snapshot.version)] = older
        },
        Attack("older targets stand under the new name", is: .versionMismatch) { repository in
            let older = repository.files["2.targets.json"]
            try repository.update()
            repository.files[MetadataPath.file("targets", version: repository.snapshot.roles["targets"]?.version)] =
                older
        },
        Attack("a timestamp is served that is a snapshot", is: .wrongType) { repository in
            repository.files["timestamp.json"] = try SignedEnvelope.sign(
                repository.snapshot.json, by: repository.signers["timestamp"] ?? []
            ).encoded()
        },
        Attack("targets are served that are a root", is: .wrongType) { repository in
            try repository.update()
            let version = repository.snapshot.roles["targets"]?.version
            repository.files[MetadataPath.file("targets", version: version)] = try SignedEnvelope.sign(
                repository.root.json, by: repository.signers["targets"] ?? []
            ).encoded()
        },
        Attack("snapshot does not name targets", is: .rollback) { repository in
            repository.snapshot.roles = ["team": MetadataFileInfo(version: 9)]
            try repository.release()
        },
        Attack("timestamp is gone", is: .missing) { $0.files["timestamp.json"] = nil },
        Attack("snapshot is gone", is: .missing) { repository in
            try repository.release()
            repository.files[MetadataPath.file("snapshot", version: repository.snapshot.version)] = nil
        },
        Attack("targets are gone", is: .missing) { repository in
            try repository.update()
            repository.files[MetadataPath.file("targets", version: repository.snapshot.roles["targets"]?.version)] = nil
        },
    ]

    static let freezes = [
        Attack("timestamp has expired", is: .expired) { repository in
            repository.timestamp.expires = now
            try repository.release()
        },
        Attack("snapshot has expired", is: .expired) { repository in
            repository.snapshot.expires = now - .seconds(1)
            try repository.release()
        },
        Attack("targets have expired", is: .expired) { repository in
            try repository.update { $0.expires = now - .seconds(1) }
        },
        Attack("root has expired", is: .expired) { repository in
            repository.root = try repository.root.next(expires: now - .seconds(1))
            try repository.publishRoot()
        },
    ]

    static let forgeries =
        ["timestamp", "snapshot", "targets"].map { role in
            Attack("\(role) is signed by another key", is: .badSignature) { repository in
                repository.signers[role] = [try TestSigner()]
                try repository.publishTargets("targets")
                try repository.update()
            }
        } + [
            Attack("targets are signed by the snapshot key", is: .badSignature) { repository in
                repository.signers["targets"] = repository.signers["snapshot"]
                try repository.update()
            },
            Attack("a root is signed only by its own new key", is: .badSignature) { repository in
                let fresh = try TestSigner()
                repository.root = try repository.root.next(
                    expires: RepositorySimulator.yearLater, replacing: [.root: ([fresh.publicKey], 1)])
                repository.signers["root"] = [fresh]
                try repository.publishRoot()
            },
            Attack("a root is signed only by the former key", is: .badSignature) { repository in
                repository.root = try repository.root.next(
                    expires: RepositorySimulator.yearLater, replacing: [.root: ([TestSigner().publicKey], 1)])
                try repository.publishRoot()
            },
            Attack("a root's threshold is 0", is: .malformed) { repository in
                repository.files["2.root.json"] = repository.files["1.root.json"]
                try repository.resign("2.root.json", as: "root") { signed in
                    signed["version"] = .integer(2)
                    signed["roles"] = Self.withThreshold(0, of: "timestamp", in: signed["roles"])
                }
            },
            Attack("a root's threshold is negative", is: .malformed) { repository in
                repository.files["2.root.json"] = repository.files["1.root.json"]
                try repository.resign("2.root.json", as: "root") { signed in
                    signed["version"] = .integer(2)
                    signed["roles"] = Self.withThreshold(-1, of: "root", in: signed["roles"])
                }
            },
            Attack("one key signs twice under a threshold of two", is: .malformed) { repository in
                let signer = try TestSigner()
                try repository.rotate(.timestamp, to: [signer, TestSigner()], threshold: 2)
                repository.timestamp.version += 1
                let envelope = try SignedEnvelope.sign(repository.timestamp.json, by: [signer])
                var document = try JSONValue(parsing: envelope.encoded()).object ?? [:]
                document["signatures"] = .array(
                    (document["signatures"]?.array ?? []) + (document["signatures"]?.array ?? []))
                repository.files["timestamp.json"] = try JSONText.encode(JSONValue.object(document))
            },
            Attack("one key signs under two identifiers", is: .thresholdNotMet) { repository in
                let signer = try TestSigner()
                try repository.rotate(.timestamp, to: [signer, TestSigner()], threshold: 2)
                let twin = String(repeating: "ab", count: 32)
                try repository.resign("2.root.json", as: "root") { signed in
                    var keys = signed["keys"]?.object ?? [:]
                    keys[twin] = signer.publicKey.json
                    signed["keys"] = .object(keys)
                    signed["roles"] = Self.withKeyIDs(
                        [signer.publicKey.keyID, twin], of: "timestamp", in: signed["roles"])
                }
                repository.timestamp.version += 1
                let envelope = try SignedEnvelope.sign(repository.timestamp.json, by: [signer])
                var document = try JSONValue(parsing: envelope.encoded()).object ?? [:]
                let signature = envelope.signatures[0]
                document["signatures"] = .array([
                    .object(["keyid": .string(signature.keyID), "sig": .string(signature.sigHex)]),
                    .object(["keyid": .string(twin), "sig": .string(signature.sigHex)]),
                ])
                repository.files["timestamp.json"] = try JSONText.encode(JSONValue.object(document))
            },
            Attack("a role names the same key twice", is: .malformed) { repository in
                try repository.rotate(.timestamp, to: [TestSigner()])
                let keyID = try #require(repository.signers["timestamp"]?.first?.publicKey.keyID)
                try repository.resign("2.root.json", as: "root") { signed in
                    signed["roles"] = Self.withKeyIDs([keyID, keyID], of: "timestamp", in: signed["roles"])
                }
            },
            Attack("fewer keys sign than the threshold", is: .thresholdNotMet) { repository in
                let signer = try TestSigner()
                try repository.rotate(.timestamp, to: [signer, TestSigner()], threshold: 2)
                repository.signers["timestamp"] = [signer]
                try repository.release()
            },
            Attack("a byte of targets is flipped", is: .badSignature) { repository in
                try repository.update { $0.targets["evil"] = .of("good") }
                let path = MetadataPath.file("targets", version: repository.snapshot.roles["targets"]?.version)
                try repository.tamper(path) { $0["targets"] = .object(["evil": .object([:])]) }
            },
        ]

    static let floods = [
        Attack("timestamp is endless", is: .lengthExceeded) { repository in
            repository.files["timestamp.json"] = [UInt8](repeating: 0x20, count: Limits.tufTimestampBytes + 1)
        },
        Attack("root is endless", is: .lengthExceeded) { repository in
            repository.files["2.root.json"] = [UInt8](repeating: 0x20, count: Limits.tufRootBytes + 1)
        },
        Attack("snapshot is longer than promised", is: .lengthExceeded) { repository in
            repository.promisesHashes = true
            try repository.release()
            repository.files[MetadataPath.file("snapshot", version: repository.snapshot.version)]?.append(0x20)
        },
        Attack("targets are shorter than promised", is: .lengthMismatch) { repository in
            repository.promisesHashes = true
            try repository.update()
            let path = MetadataPath.file("targets", version: repository.snapshot.roles["targets"]?.version)
            repository.files[path]?.removeLast()
        },
        Attack("snapshot has another hash than promised", is: .hashMismatch) { repository in
            repository.promisesHashes = true
            try repository.release()
            let path = MetadataPath.file("snapshot", version: repository.snapshot.version)
            repository.files[path] = repository.files[path]?.map { $0 == 0x31 ? 0x32 : $0 }
        },
        Attack("snapshot is promised by an unknown hash only", is: .hashMismatch) { repository in
            try repository.release()
            repository.timestamp.snapshot.hashes = ["md5": "00"]
            repository.timestamp.version += 1
            try repository.publishTimestamp()
        },
        Attack("timestamp is no JSON", is: .malformed) { $0.files["timestamp.json"] = Array("<html>".utf8) },
        Attack("timestamp is empty", is: .malformed) { $0.files["timestamp.json"] = [] },
        Attack("timestamp is nested ten thousand deep", is: .malformed) { repository in
            repository.files["timestamp.json"] = [UInt8](repeating: UInt8(ascii: "["), count: 10_000)
        },
        Attack("timestamp has a thousand signatures", is: .malformed) { repository in
            let signature = #"{"keyid":"a","sig":""}"#
            let list = Array(repeating: signature, count: 500).joined(separator: ",")
            repository.files["timestamp.json"] = Array(#"{"signed":{},"signatures":[\#(list)]}"#.utf8)
        },
        Attack("a version is negative", is: .malformed) { repository in
            try repository.resign("timestamp.json", as: "timestamp") { $0["version"] = .integer(-1) }
        },
        Attack("a version is beyond what can rise", is: .malformed) { repository in
            try repository.resign("timestamp.json", as: "timestamp") { $0["version"] = .integer(.max) }
        },
        Attack("a specification of the future is claimed", is: .malformed) { repository in
            try repository.resign("timestamp.json", as: "timestamp") { $0["spec_version"] = .string("2.0.0") }
        },
    ]

    static func withThreshold(_ threshold: Int64, of role: String, in roles: JSONValue?) -> JSONValue {
        edited(role, in: roles) { $0["threshold"] = .integer(threshold) }
    }

    static func withKeyIDs(_ keyIDs: [String], of role: String, in roles: JSONValue?) -> JSONValue {
        edited(role, in: roles) { $0["keyids"] = .array(keyIDs.map(JSONValue.string)) }
    }

    private static func edited(
        _ role: String, in roles: JSONValue?, _ edit: (inout [String: JSONValue]) -> Void
    ) -> JSONValue {
        var all = roles?.object ?? [:]
        var one = all[role]?.object ?? [:]
        edit(&one)
        all[role] = .object(one)
        return .object(all)
    }
}

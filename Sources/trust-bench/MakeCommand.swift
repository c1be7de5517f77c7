import ArgumentParser
import Glibc
import MartletTypes
import TUF
import Trust

/// Writes the metadata of one namespace with many releases, twice: as it is, and after one more release in the bin
/// that the assigned release falls into, which is the dearest place for a device.
struct MakeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "make",
        abstract: "Write a repository: FOLDER/tuf, with timestamp.1.json and timestamp.2.json, and the assignment.")

    @Argument(help: "An empty folder.") var folder: String
    @Option(help: "How many releases are published.") var releases: Int

    private struct Keys {
        let owner: KeyPair
        let online: KeyPair
        let publisher: KeyPair
        let director: KeyPair
    }

    func run() async throws {
        let keys = Keys(
            owner: try .generate(.ed25519), online: try .generate(.ed25519), publisher: try .generate(.ed25519),
            director: try .generate(.ed25519))
        let now = TrustBench.now
        guard mkdir(folder + "/tuf", 0o755) == 0 else { throw ValidationError("\(folder) is not an empty folder.") }
        let layout = try NamespaceLayout(TrustBench.namespace)
        let root = try RootMetadata.new(
            expires: now + MetadataLifetime.root,
            roles: [
                .root: ([keys.owner.publicKey], 1), .targets: ([keys.owner.publicKey], 1),
                .snapshot: ([keys.online.publicKey], 1), .timestamp: ([keys.online.publicKey], 1),
            ])
        try write("1.root.json", root.json, by: keys.owner)
        var roles: [String: MetadataFileInfo] = [:]
        let targets = try layout.delegated(
            in: TargetsMetadata(expires: now + MetadataLifetime.targets), keys: [keys.publisher.publicKey],
            threshold: 1)
        roles["targets"] = try write("1.targets.json", targets.json, by: keys.owner)
        let role = try layout.namespaceRole(keys: [keys.publisher.publicKey], threshold: 1, now: now)
        roles[layout.namespace] = try write("1.\(layout.namespace).json", role.json, by: keys.publisher)
        var bins = try content(layout)
        for bin in layout.bins {
            let metadata = TargetsMetadata(expires: now + MetadataLifetime.namespace, targets: bins[bin] ?? [:])
            roles[bin] = try write("1.\(bin).json", metadata.json, by: keys.publisher)
        }
        try publish(roles, version: 1, keys, now)
        let bin = try layout.bin(for: TrustBench.assigned)
        bins[bin, default: [:]]["clinic/triage/9.9.9"] = Self.file("one more")
        let next = TargetsMetadata(version: 2, expires: now + MetadataLifetime.namespace, targets: bins[bin] ?? [:])
        roles[bin] = try write("2.\(bin).json", next.json, by: keys.publisher, version: 2)
        try publish(roles, version: 2, keys, now)
        try writeAssignment(keys.director, now)
    }

    private static func file(_ name: String) -> TargetFile { TargetFile(length: 2048, digest: .of(Array(name.utf8))) }

    /// The releases by bin: the assigned one, and others of a thousand repositories.
    private func content(_ layout: NamespaceLayout) throws -> [String: [String: TargetFile]] {
        var bins: [String: [String: TargetFile]] = [:]
        for number in 0..<releases {
            let path = number == 0 ? TrustBench.assigned : "clinic/model-\(number % 1000)/1.\(number / 1000).0"
            bins[try layout.bin(for: path), default: [:]][path] = Self.file(path)
        }
        return bins
    }

    private func publish(
        _ roles: [String: MetadataFileInfo], version: Int, _ keys: Keys, _ now: Timestamp
    ) throws {
        let snapshot = MetadataRepository.snapshot(version: version, now: now, roles: roles)
        let bytes = try SignedEnvelope.sign(snapshot.json, by: [keys.online]).encoded()
        try TrustBench.write(bytes, to: folder + "/tuf/\(version).snapshot.json")
        let timestamp = MetadataRepository.timestamp(
            version: version, now: now, snapshotVersion: version, snapshotBytes: bytes)
        try write("timestamp.\(version).json", timestamp.json, by: keys.online)
    }

    /// As the registry's snapshot names it: by version and length.
    @discardableResult
    private func write(
        _ name: String, _ json: JSONValue, by key: KeyPair, version: Int = 1
    ) throws -> MetadataFileInfo {
        let bytes = try SignedEnvelope.sign(json, by: [key]).encoded()
        try TrustBench.write(bytes, to: folder + "/tuf/" + name)
        return MetadataFileInfo(version: version, length: Int64(bytes.count))
    }

    private func writeAssignment(_ director: KeyPair, _ now: Timestamp) throws {
        let file = Self.file(TrustBench.assigned)
        let digest = try Digest("sha256:" + (file.hashes["sha256"] ?? ""))
        let release = AssignedRelease(path: try ReleasePath(TrustBench.assigned), indexDigest: digest, length: 2048)
        let assignment = Assignment(
            device: try DeviceID(TrustBench.device), number: 1, issued: now, expires: now + .seconds(86_400),
            slots: [try SlotName("triage"): SlotAssignment(releases: [release], generation: 1)])
        try TrustBench.write(
            try assignment.signed(by: [director]).encoded(), to: folder + "/tuf/assignment.json")
        try TrustBench.write(
            try JSONText.encode(director.publicKey.json), to: folder + "/director.json")
    }
}

import Foundation
import MartletTypes
import TestSupport
import Trust

@testable import RegistryStore

/// A migrated database in a scratch folder, with what most tests need in it.
struct StoreFixture: Sendable {
    let folder: TemporaryFolder
    let database: SQLiteDatabase
    let now = Timestamp(seconds: 1_700_000_000)

    init() async throws {
        folder = try TemporaryFolder("registry-store")
        database = try SQLiteDatabase(path: folder.file("registry.sqlite"))
        _ = try await Migrator(Migration.shipped()).run(on: database, now: now)
    }

    /// Opens the same file again, as a process does that was started anew.
    func reopened() throws -> SQLiteDatabase {
        try SQLiteDatabase(path: folder.file("registry.sqlite"))
    }

    /// Publishes a release whose index and objects are made of its name.
    @discardableResult
    func publish(
        _ path: String, kind: ReleaseKind = .model, base: String? = nil, objects: Set<Digest> = []
    ) async throws -> ReleasePath {
        let release = try release(path, kind: kind, base: base)
        try await database.write { _ = try ReleaseStore($0).publish(release, objects: objects) }
        return release.path
    }

    func release(_ path: String, kind: ReleaseKind = .model, base: String? = nil) throws -> ReleaseRow {
        let path = try ReleasePath(path)
        return ReleaseRow(
            path: path, kind: kind, indexDigest: Digest.of(Array(path.text.utf8)), length: 321, published: now,
            base: try base.map { try ReleasePath($0) },
            variants: [
                VariantRow(
                    digest: Digest.of(Array("\(path.text)-v".utf8)), architecture: "arm64", quantization: "Q4_0",
                    size: ByteCount(100), minMemory: nil)
            ], minAccuracy: 0.9)
    }

    /// Enrols a device.
    @discardableResult
    func enrol(
        _ name: String, labels: [String: String] = [:], journal: String = "a", replaces: Bool = false
    ) async throws -> DeviceID {
        let device = try DeviceID(name)
        let labels = try Labels(labels)
        let certificate = certificate("\(name)-\(journal)")
        let journal = try Self.journal(journal)
        try await database.write { [now] in
            try DeviceStore($0).enrol(
                device, labels: labels, certificate: certificate, journal: journal, replaces: replaces, now: now)
        }
        return device
    }

    func certificate(_ seed: String) -> DeviceCertificate {
        DeviceCertificate(
            fingerprint: Digest.of(Array(seed.utf8)).hex, issued: now, expires: now + .seconds(90 * 86_400))
    }

    static func journal(_ letter: String) throws -> JournalID { try JournalID(String(repeating: letter, count: 32)) }

    func move(
        _ device: DeviceID, _ slot: String, _ releases: [ReleasePath], rollout: String? = nil, isRestore: Bool = false
    ) throws -> DesiredMove {
        DesiredMove(
            device: device, slot: try SlotName(slot),
            desired: DesiredSlot(releases: releases, rollout: try rollout.map { try RolloutID($0) }),
            isRestore: isRestore, actor: "ann", reason: "because")
    }

    @discardableResult
    func assign(_ moves: [DesiredMove]) async throws -> [DesiredChange] {
        try await database.write { [now] in try AssignmentStore($0).setDesired(moves, now: now) }
    }
}

/// The code of the error that `body` throws; nil where it throws none or another's.
func code<Value>(of body: () async throws -> Value) async -> StoreError.Code? {
    do {
        _ = try await body()
        return nil
    } catch {
        return (error as? StoreError)?.kind
    }
}

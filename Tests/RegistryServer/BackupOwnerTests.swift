import Foundation
import Glibc
import Logging
import MartletTypes
import RegistryServer
import TestSupport
import Testing

/// Root restores what a service of another user is to read.
@Suite("Backup and restore by root", .enabled(if: geteuid() == 0))
struct BackupOwnerTests {
    /// A user and a group that no machine has.
    private static let user: uid_t = 51_234
    private static let group: gid_t = 51_235

    private static func folder(_ path: String) throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        try #require(chown(path, user, group) == 0)
    }

    /// Files below a folder that are not the user's.
    private static func foreign(_ path: String) throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: path).filter { name in
            try owner(path + "/" + name) != [Int(user), Int(group)]
        }
    }

    /// User and group of a file; links are not followed.
    private static func owner(_ path: String) throws -> [Int?] {
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        return [attributes[.ownerAccountID] as? Int, attributes[.groupOwnerAccountID] as? Int]
    }

    @Test("give all that they make to the owner of the folder that they make it in, and no more than that")
    func owner() async throws {
        let registry = try await RegistryFixture.start()
        try await registry.initializeTrust()
        _ = try await registry.publish("clinic/triage/1.0.0")
        try await registry.stop()
        let clock = registry.clock
        let backup = RegistryBackup(dataFolder: registry.folder.file("data"), clock: { clock.now })
        let kept = registry.folder.file("backup")
        try Self.folder(kept)
        for _ in 0..<2 { _ = try await backup.run(to: kept) }
        #expect(try Self.foreign(kept).isEmpty)

        let data = registry.folder.file("restored")
        try Self.folder(data)
        // What the owner could have put there to be given what is root's.
        let secret = registry.folder.file("secret")
        try Data([1]).write(to: URL(fileURLWithPath: secret))
        try #require(symlink(secret, data + "/a-link") == 0)
        try #require(link(secret, data + "/a-name") == 0)
        let restore = RegistryRestore(
            dataFolder: data, clock: { clock.now }, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        _ = try await restore.run(from: kept)
        #expect(try Self.foreign(data).sorted() == ["a-link", "a-name"])
        #expect(try Self.owner(secret).first == 0)
        #expect(FileManager.default.fileExists(atPath: data + "/keys/director.pem"))
    }

    @Test("A restore that fails leaves what the owner can read, too: its registry says that it is not finished")
    func failed() async throws {
        let registry = try await RegistryFixture.start()
        try await registry.initializeTrust()
        try await registry.stop()
        let clock = registry.clock
        let kept = registry.folder.file("backup")
        _ = try await RegistryBackup(dataFolder: registry.folder.file("data"), clock: { clock.now }).run(to: kept)
        try Data([1]).write(to: URL(fileURLWithPath: kept + "/state-1/registry.sqlite"))
        let data = registry.folder.file("restored")
        try Self.folder(data)
        let error = await #expect(throws: ServerError.self) {
            _ = try await RegistryRestore(
                dataFolder: data, clock: { clock.now },
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            ).run(from: kept)
        }
        #expect(error?.code == "backupDamaged")
        #expect(try Self.foreign(data).isEmpty)
        #expect(FileManager.default.fileExists(atPath: data + "/restoring"))
    }

    @Test("Root's own folder stays root's")
    func rootsOwn() async throws {
        let registry = try await RegistryFixture.start()
        try await registry.stop()
        let clock = registry.clock
        let kept = registry.folder.file("backup")
        _ = try await RegistryBackup(dataFolder: registry.folder.file("data"), clock: { clock.now }).run(to: kept)
        #expect(try Self.owner(kept + "/backup.json").first == 0)
    }
}

import Foundation
import Glibc
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

    private struct Interruption: Error {}

    /// A registry that has stopped, with a release.
    private static func stopped() async throws -> RegistryFixture {
        let registry = try await RegistryFixture.start()
        try await registry.initializeTrust()
        _ = try await registry.publish("clinic/triage/1.0.0")
        try await registry.stop()
        return registry
    }

    /// Makes a file of root's.
    private static func file(_ path: String, _ text: String = "root's own") throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    }

    private static func text(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

    @Test("give what they make to the owner of the folder that they make it in, and nothing that was there before")
    func owner() async throws {
        let registry = try await Self.stopped()
        let manager = FileManager.default
        let kept = registry.folder.file("backup")
        try Self.folder(kept)
        try #require(chmod(kept, 0o755) == 0)
        try Self.file(kept + "/report.txt")
        try manager.createDirectory(atPath: kept + "/photos", withIntermediateDirectories: false)
        try Self.file(kept + "/photos/one")
        for _ in 0..<2 { try await registry.backup(to: kept) }
        #expect(try Self.foreign(kept).sorted() == ["photos", "photos/one", "report.txt"])
        let mode = try manager.attributesOfItem(atPath: kept)[.posixPermissions] as? Int
        #expect(mode == 0o755, "a folder that was there keeps its permissions")
        #expect(try manager.attributesOfItem(atPath: kept + "/blobs")[.posixPermissions] as? Int == 0o700)

        let data = registry.folder.file("restored")
        try Self.folder(data)
        try Self.folder(data + "/blobs")
        try Self.file(data + "/notes.txt")
        // What the owner could have put there to be given what is root's.
        let secret = registry.folder.file("secret")
        try Self.file(secret)
        try #require(symlink(secret, data + "/blobs/a-link") == 0)
        try #require(link(secret, data + "/blobs/a-name") == 0)
        try await restore(kept, into: data)
        #expect(try Self.foreign(data).sorted() == ["blobs/a-link", "blobs/a-name", "notes.txt"])
        #expect(try Self.owner(secret).first == 0)
        #expect(manager.fileExists(atPath: data + "/keys/director.pem"))
        #expect(!manager.fileExists(atPath: data + "/restoring"))
    }

    @Test("take a link for the folder that it leads to")
    func linked() async throws {
        let registry = try await Self.stopped()
        for name in ["backup", "restored"] {
            try Self.folder(registry.folder.file(name))
            try #require(symlink(registry.folder.file(name), registry.folder.file("to-" + name)) == 0)
        }
        try await registry.backup(to: registry.folder.file("to-backup"))
        try await restore(registry.folder.file("to-backup"), into: registry.folder.file("to-restored"))
        for name in ["backup", "restored"] { #expect(try Self.foreign(registry.folder.file(name)).isEmpty, "\(name)") }
        #expect(!FileManager.default.fileExists(atPath: registry.folder.file("restored/restoring")))
    }

    @Test("write through no link that the owner has left in the folder")
    func planted() async throws {
        let registry = try await Self.stopped()
        let secret = registry.folder.file("secret")
        try Self.file(secret)
        let kept = registry.folder.file("backup")
        try Self.folder(kept)
        // The registry's user has left a link where the time of the backup is written.
        try #require(chown(registry.data + "/run", Self.user, Self.group) == 0)
        try #require(chown(registry.data, Self.user, Self.group) == 0)
        let note = registry.data + "/run/last-backup"
        try #require(symlink(secret, note + ".\(getpid()).new") == 0)
        try #require(symlink(secret, kept + "/backup.json.\(getpid()).new") == 0)
        let made = try await registry.backup(to: kept).created
        #expect(try Self.text(note) == "\(made.milliseconds)\n")
        let data = registry.folder.file("restored")
        try Self.folder(data)
        for name in ["registry.sqlite.new", "restoring.\(getpid()).new"] {
            try #require(symlink(secret, data + "/" + name) == 0)
        }
        try await restore(kept, into: data)
        #expect(try Self.text(secret) == "root's own")

        // A folder of root's, which the registry's user has named.
        let elsewhere = registry.folder.file("elsewhere")
        try FileManager.default.createDirectory(atPath: elsewhere, withIntermediateDirectories: false)
        try FileManager.default.moveItem(atPath: registry.data + "/run", toPath: registry.folder.file("run"))
        try #require(symlink(elsewhere, registry.data + "/run") == 0)
        try await registry.backup(to: kept)
        #expect(try FileManager.default.contentsOfDirectory(atPath: elsewhere).isEmpty)
        for (number, folder) in [kept, registry.folder.file("another")].enumerated() {
            if number > 0 { try Self.folder(folder) }
            unlink(folder + "/lock")
            try #require(symlink(elsewhere + "/lock", folder + "/lock") == 0)
            let code = await errorCode {
                if number == 0 { try await registry.backup(to: folder) } else { try await restore(kept, into: folder) }
            }
            #expect(code == ["backupFailed", "dataFolderFailed"][number])
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: elsewhere).isEmpty)
    }

    @Test("A backup that fails leaves nothing of root's either")
    func failedBackup() async throws {
        let registry = try await Self.stopped()
        let kept = registry.folder.file("backup")
        try Self.folder(kept)
        await #expect(throws: Interruption.self) {
            try await registry.backup(to: kept) { if $0.hasPrefix("name ") { throw Interruption() } }
        }
        #expect(FileManager.default.fileExists(atPath: kept + "/blobs"))
        #expect(try Self.foreign(kept).isEmpty)
    }

    @Test("A restore that fails leaves what the owner can read, too: its registry says that it is not finished")
    func failed() async throws {
        let registry = try await Self.stopped()
        let kept = registry.folder.file("backup")
        try await registry.backup(to: kept)
        try Data([1]).write(to: URL(fileURLWithPath: kept + "/state-1/registry.sqlite"))
        let data = registry.folder.file("restored")
        try Self.folder(data)
        #expect(await errorCode { try await restore(kept, into: data) } == "backupDamaged")
        #expect(try Self.foreign(data).isEmpty)
        #expect(FileManager.default.fileExists(atPath: data + "/restoring"))
    }

    @Test("Root's own folder stays root's")
    func rootsOwn() async throws {
        let registry = try await RegistryFixture.start()
        try await registry.stop()
        let kept = registry.folder.file("backup")
        try await registry.backup(to: kept)
        #expect(try Self.owner(kept + "/backup.json").first == 0)
    }
}

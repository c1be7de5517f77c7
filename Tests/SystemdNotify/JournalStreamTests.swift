import Foundation
import Glibc
import SystemdNotify
import TestSupport
import Testing

@Suite("What is printed is kept by the journal")
struct JournalStreamTests {
    @Test("where the variable names this very stream, or the process is a service; not where it was only inherited")
    func streams() throws {
        let folder = try TemporaryFolder("j")
        let descriptor = open(folder.file("stream"), O_WRONLY | O_CREAT, 0o600)
        defer { close(descriptor) }
        let attributes = try FileManager.default.attributesOfItem(atPath: folder.file("stream"))
        let device = try #require(attributes[.systemNumber] as? Int)
        let inode = try #require(attributes[.systemFileNumber] as? Int)
        func receives(_ environment: [String: String]) -> Bool {
            JournalStream.receives(descriptor, environment: environment)
        }
        #expect(receives(["JOURNAL_STREAM": "\(device):\(inode)"]))
        #expect(receives(["NOTIFY_SOCKET": "/run/systemd/notify"]))
        #expect(!receives([:]))
        for text in ["\(device):\(inode + 1)", "", ":", "\(inode)", "a:b", "-1:\(inode)"] {
            #expect(!receives(["JOURNAL_STREAM": text]), "\(text)")
        }
        #expect(!JournalStream.receives(-1, environment: ["JOURNAL_STREAM": "1:1"]))
    }
}

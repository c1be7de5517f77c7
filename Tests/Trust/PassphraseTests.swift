import Foundation
import Glibc
import TestSupport
import Testing
import Trust

@Suite("Passphrases")
struct PassphraseTests {
    @Test("the first line is the passphrase, whatever follows it", arguments: ["pass", "pass\n", "pass\r\nmore\n"])
    func firstLine(text: String) throws {
        let folder = try TemporaryFolder("pass")
        try write(Array(text.utf8), to: folder.file("secret"))
        let bytes = Array("pass".utf8)
        #expect(try PassphraseSource.file(folder.file("secret")).read(environment: [:]) == bytes)
        let environment = ["CREDENTIALS_DIRECTORY": folder.path]
        #expect(try PassphraseSource.credential("secret").read(environment: environment) == bytes)
        let descriptor = open(folder.file("secret"), O_RDONLY | O_CLOEXEC)
        defer { close(descriptor) }
        #expect(try PassphraseSource.descriptor(descriptor).read(environment: [:]) == bytes)
        #expect(PassphraseSource.hasCredential("secret", environment: environment))
        #expect(!PassphraseSource.hasCredential("other", environment: environment))
        #expect(!PassphraseSource.hasCredential("secret", environment: [:]))
    }

    @Test("a descriptor gives one line after the other")
    func lines() throws {
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        let text = Array("first\nsecond\n".utf8)
        #expect(Glibc.write(ends[1], text, text.count) == text.count)
        close(ends[1])
        defer { close(ends[0]) }
        let source = PassphraseSource.descriptor(ends[0])
        #expect(try source.read(environment: [:]) == Array("first".utf8))
        #expect(try source.read(environment: [:]) == Array("second".utf8))
        #expect(throws: TrustError(.passphraseUnreadable, "")) { try source.read(environment: [:]) }
    }

    @Test("what holds no passphrase is refused, and a secret is never repeated")
    func refused() throws {
        let folder = try TemporaryFolder("pass")
        try write([], to: folder.file("empty"))
        try write(Array("\nsecret".utf8), to: folder.file("blank"))
        try write([UInt8](repeating: 0x78, count: TrustLimits.passphraseBytes + 1), to: folder.file("long"))
        let environment = ["CREDENTIALS_DIRECTORY": folder.path]
        let sources: [PassphraseSource] = [
            .file(folder.file("empty")), .file(folder.file("blank")), .file(folder.file("long")),
            .file(folder.file("absent")), .file(folder.path), .descriptor(999), .credential("absent"),
            .credential("../empty"), .credential(".."), .credential(""),
        ]
        for source in sources {
            do {
                _ = try source.read(environment: environment)
                Issue.record("read \(source)")
            } catch {
                #expect(error.reason == .passphraseUnreadable, "\(source)")
                #expect(!error.message.contains("secret") && !error.message.contains("xxxx"))
            }
        }
        #expect(throws: TrustError(.passphraseUnreadable, "")) {
            try PassphraseSource.credential("long").read(environment: ["CREDENTIALS_DIRECTORY": "relative"])
        }
    }
}

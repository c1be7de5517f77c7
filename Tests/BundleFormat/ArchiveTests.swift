import BundleFormat
import Foundation
import MartletTypes
import TestSupport
import Testing

/// Tar headers by hand, so that they can lie.
enum HostileTar {
    static func entry(
        _ name: String, _ data: [UInt8] = [], type: Character = "0", size: String? = nil, link: String = "",
        extra: (inout [UInt8]) -> Void = { _ in }
    ) -> [UInt8] {
        var header = [UInt8](repeating: 0, count: 512)
        func put(_ text: String, _ offset: Int) {
            for (i, byte) in text.utf8.enumerated() { header[offset + i] = byte }
        }
        put(name, 0)
        put("0000644\0", 100)
        put("0000000\0", 108)
        put("0000000\0", 116)
        put(
            size
                ?? (String(repeating: "0", count: 11 - String(data.count, radix: 8).count)
                    + String(data.count, radix: 8)),
            124)
        put("00000000000\0", 136)
        put(String(type), 156)
        put(link, 157)
        put("ustar\0", 257)
        put("00", 263)
        extra(&header)
        put("        ", 148)
        let sum = String(header.reduce(0) { $0 + Int($1) }, radix: 8)
        put(String(repeating: "0", count: 6 - sum.count) + sum + "\0 ", 148)
        return header + data + [UInt8](repeating: 0, count: (512 - data.count % 512) % 512)
    }

    static let end = [UInt8](repeating: 0, count: 1024)
}

@Suite("Archives")
struct ArchiveTests {
    let folder: TemporaryFolder
    let blob: [UInt8]

    init() throws {
        folder = try TemporaryFolder()
        blob = (0..<700_000).map { UInt8(truncatingIfNeeded: $0 / 7) }
        try Data(blob).write(to: URL(fileURLWithPath: folder.file("blob")))
    }

    private func write(_ name: String, _ compression: ArchiveWriter.Compression = .none) throws {
        var writer = try ArchiveWriter(path: folder.file(name), compression: compression)
        try writer.add(.layout, ArchivePath.layoutBytes)
        try writer.add(.index, Array("{}".utf8))
        try writer.add(.metadata("1.root.json"), [1, 2, 3])
        try writer.add(.metadata("3.%2E%2E%2Fx.json"), [])
        try writer.add(.target("ab.trust.json"), [4])
        try writer.add(.assignment(try DeviceID("box-1")), [5])
        try writer.add(.blob(.of(blob)), file: folder.file("blob"), size: ByteCount(blob.count))
        try writer.finish()
    }

    private func read(_ name: String, totalLimit: Int = 10_000_000) throws -> [ArchivePath: [UInt8]] {
        var reader = try ArchiveReader(path: folder.file(name), totalLimit: ByteCount(totalLimit))
        var files: [ArchivePath: [UInt8]] = [:]
        while let entry = try reader.next() { files[entry.path] = try reader.bytes(limit: 1_000_000) }
        return files
    }

    private func refusal(_ tar: [UInt8], totalLimit: Int = 10_000_000) throws -> BundleError? {
        try Data(tar).write(to: URL(fileURLWithPath: folder.file("hostile.tar")))
        do {
            _ = try read("hostile.tar", totalLimit: totalLimit)
            return nil
        } catch let error as BundleError {
            return error
        }
    }

    @Test("an archive reads back as it was written", arguments: [ArchiveWriter.Compression.none, .zstd])
    func roundTrip(compression: ArchiveWriter.Compression) throws {
        try write("a.tar", compression)
        let files = try read("a.tar")
        #expect(files.count == 7)
        #expect(files[.blob(.of(blob))] == blob)
        #expect(files[.metadata("3.%2E%2E%2Fx.json")] == [])
        try write("b.tar", compression)
        #expect(
            try Data(contentsOf: folder.url.appendingPathComponent("a.tar"))
                == Data(contentsOf: folder.url.appendingPathComponent("b.tar")))
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == ["a.tar", "b.tar", "blob"])
    }

    @Test("an archive that is not finished leaves nothing")
    func unfinished() throws {
        do {
            var writer = try ArchiveWriter(path: folder.file("a.tar"))
            try writer.add(.layout, ArchivePath.layoutBytes)
            #expect(throws: BundleError.self) { try Self.addTwice(&writer) }
            #expect(throws: BundleError.self) {
                try writer.add(.blob(.of([1])), file: folder.file("blob"), size: ByteCount(5))
            }
            #expect(throws: BundleError.self) {
                try writer.add(.blob(.of([2])), file: folder.file("absent"), size: ByteCount(5))
            }
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["blob"])
    }

    private static func addTwice(_ writer: inout ArchiveWriter) throws {
        try writer.add(.layout, ArchivePath.layoutBytes)
    }

    @Test(
        "entries that do not belong there are refused",
        arguments: [
            "/etc/passwd", "../x", "blobs/../../x", "blobs/sha256/../x", "blobs/sha256/abc", "./index.json",
            "index.json/",
            "tuf/../x.json", "tuf/a/b.json", "tuf/.json", "tuf/x", "assignments/../x.json", "assignments/A.json",
            "bin/sh",
            "tuf/targets/other/x.json", "blobs/md5/00", "BLOBS/x", "index.json\\x", "oci-layout2", " ",
        ])
    func names(name: String) throws {
        let error = try refusal(HostileTar.entry(name, [1]) + HostileTar.end)
        #expect(error?.reason == .forbiddenEntry, "\(error?.description ?? "accepted")")
    }

    @Test("links, devices and other special entries are refused", arguments: ["1", "2", "3", "4", "6"])
    func types(type: String) throws {
        let tar = HostileTar.entry("index.json", type: Character(type), link: "/etc/passwd") + HostileTar.end
        let error = try refusal(tar)
        #expect(error != nil && error?.reason != .duplicate)
    }

    @Test("a sparse file, which is longer than what is stored, is refused")
    func sparse() throws {
        let tar = HostileTar.entry("index.json", [UInt8](repeating: 1, count: 512), type: "S") { header in
            // One stored piece at 4096 of a file of 8192 bytes, in octal.
            for (text, offset) in [
                ("ustar  \0", 257), ("00000010000", 386), ("00000001000", 398), ("00000020000", 483),
            ] {
                for (index, byte) in text.utf8.enumerated() { header[offset + index] = byte }
            }
        }
        let error = try refusal(tar + HostileTar.end)
        #expect(error?.reason == .forbiddenEntry, "\(error?.description ?? "accepted")")
    }

    @Test("folders that tools write are passed over, others refused")
    func folders() throws {
        let good = HostileTar.entry("blobs/", type: "5") + HostileTar.entry("blobs/sha256/", type: "5")
        #expect(try refusal(good + HostileTar.end) == nil)
        #expect(try refusal(HostileTar.entry("../", type: "5") + HostileTar.end)?.reason == .forbiddenEntry)
    }

    @Test("a name that comes twice is refused")
    func duplicates() throws {
        let tar = HostileTar.entry("index.json", [1]) + HostileTar.entry("index.json", [2]) + HostileTar.end
        #expect(try refusal(tar)?.reason == .duplicate)
    }

    @Test("sizes beyond what is allowed are refused before a byte is unpacked")
    func sizes() throws {
        let huge = HostileTar.entry("blobs/sha256/" + Digest.of([]).hex, size: "77777777777")
        #expect(try refusal(huge + HostileTar.end)?.reason == .tooLarge)
        let layout = HostileTar.entry("oci-layout", [UInt8](repeating: 0, count: 2000)) + HostileTar.end
        #expect(try refusal(layout)?.reason == .tooLarge)
        let two =
            HostileTar.entry("tuf/a.json", [UInt8](repeating: 0, count: 600))
            + HostileTar.entry("tuf/b.json", [UInt8](repeating: 0, count: 600)) + HostileTar.end
        #expect(try refusal(two, totalLimit: 1000)?.reason == .tooLarge)
        #expect(try refusal(two, totalLimit: 1200) == nil)
        let negative = HostileTar.entry("index.json", [1]) { header in
            for index in 124..<136 { header[index] = 0xff }
        }
        #expect(try refusal(negative + HostileTar.end) != nil)
    }

    @Test("an archive that is cut short, or none at all, is refused")
    func damaged() throws {
        try write("a.tar")
        let bytes = [UInt8](try Data(contentsOf: folder.url.appendingPathComponent("a.tar")))
        #expect(try refusal(Array(bytes.prefix(bytes.count / 2)))?.reason == .archiveFailed)
        #expect(try refusal(Array("#!/bin/sh\nexit 0\n".utf8))?.reason == .archiveFailed)
        try write("z.tar", .zstd)
        var packed = [UInt8](try Data(contentsOf: folder.url.appendingPathComponent("z.tar")))
        #expect(try refusal(Array(packed.prefix(packed.count - 20)))?.reason == .archiveFailed)
        packed[packed.count / 2] ^= 0x10
        let flipped = try refusal(packed)
        #expect(flipped == nil || flipped?.reason == .archiveFailed)
        #expect(throws: BundleError.self) {
            _ = try ArchiveReader(path: folder.file("absent"), totalLimit: ByteCount(1)).self
        }
    }

    @Test("a blob of another length than the manifest promised is refused")
    func promised() throws {
        try write("a.tar")
        var reader = try ArchiveReader(path: folder.file("a.tar"), totalLimit: ByteCount(10_000_000))
        while let entry = try reader.next() {
            guard case .blob = entry.path else { continue }
            #expect(throws: BundleError.self) { try reader.read(promised: ByteCount(5)) { _ in } }
        }
    }

    @Test("extended headers that claim gigabytes are refused without memory for them", arguments: ["x", "g", "L", "K"])
    func extendedHeaders(type: String) throws {
        let tar = HostileTar.entry("./PaxHeaders/x", type: Character(type), size: "37777777777") + HostileTar.end
        #expect(try refusal(tar)?.reason == .archiveFailed)
        let long = HostileTar.entry("@", [UInt8](repeating: 97, count: 600) + [0], type: "L")
        #expect(try refusal(long + HostileTar.entry("index.json", [1]) + HostileTar.end)?.reason == .forbiddenEntry)
    }
}

import BundleFormat
import Foundation
import MartletTypes
import TestSupport
import Testing

@Suite("Archives of engines")
struct EngineTreeTests {
    private func tree(_ folder: TemporaryFolder) throws -> String {
        let root = folder.file("build")
        let files = FileManager.default
        try files.createDirectory(atPath: root + "/bin", withIntermediateDirectories: true)
        try files.createDirectory(atPath: root + "/lib/deep", withIntermediateDirectories: true)
        let elf: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 183, 0]
        #expect(files.createFile(atPath: root + "/lib/libx.so.1.0", contents: Data(elf)))
        let script = Data("#!/bin/sh\n".utf8)
        #expect(
            files.createFile(
                atPath: root + "/bin/llama-server", contents: script, attributes: [.posixPermissions: 0o750]))
        try files.createSymbolicLink(atPath: root + "/lib/libx.so", withDestinationPath: "libx.so.1.0")
        try files.createSymbolicLink(atPath: root + "/lib/deep/up.so", withDestinationPath: "../../lib/libx.so")
        return root
    }

    private func unpack(_ archive: String, _ folder: TemporaryFolder, limit: Int64 = 1 << 20) throws -> String {
        let target = folder.file("out-\(UUID().uuidString)")
        try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: false)
        try EngineTree.unpack(archive, into: target, limit: ByteCount(limit))
        return target
    }

    @Test("a folder comes back with its files, modes and inner links, and equal folders give equal bytes")
    func roundTrip() throws {
        let folder = try TemporaryFolder("tree")
        let root = try tree(folder)
        let packed = try EngineTree.pack(root, to: folder.file("a.tar.zst"))
        #expect(packed.unpacked == ByteCount(30) && packed.architecture == "arm64")
        _ = try EngineTree.pack(root, to: folder.file("b.tar.zst"))
        #expect(
            FileManager.default.contents(atPath: folder.file("a.tar.zst"))
                == FileManager.default.contents(atPath: folder.file("b.tar.zst")))
        let out = try unpack(folder.file("a.tar.zst"), folder, limit: packed.unpacked.bytes)
        let files = FileManager.default
        #expect(files.isExecutableFile(atPath: out + "/bin/llama-server"))
        let mode = try files.attributesOfItem(atPath: out + "/lib/libx.so.1.0")[.posixPermissions] as? Int
        #expect(mode == 0o644)
        #expect(files.contents(atPath: out + "/lib/deep/up.so")?.count == 20)
    }

    @Test("what unpacks to more than was promised is refused")
    func bomb() throws {
        let folder = try TemporaryFolder("tree")
        _ = try EngineTree.pack(try tree(folder), to: folder.file("a.tar.zst"))
        #expect { _ = try unpack(folder.file("a.tar.zst"), folder, limit: 29) } throws: {
            ($0 as? BundleError)?.reason == .tooLarge
        }
    }

    @Test(
        "a folder with what an engine must not have is not packed",
        arguments: ["/etc/passwd", "../..", "lib/../../x", "../bin/../../x"])
    func strayLink(target: String) throws {
        let folder = try TemporaryFolder("tree")
        let root = try tree(folder)
        try FileManager.default.createSymbolicLink(atPath: root + "/lib/stray", withDestinationPath: target)
        #expect { _ = try EngineTree.pack(root, to: folder.file("a.tar.zst")) } throws: {
            ($0 as? BundleError)?.message.contains("could lead out") == true
        }
    }

    @Test(
        "hostile entries are refused, and nothing is written outside",
        arguments: [
            "add('../evil')", "add('/tmp/martlet-evil')", "add('a/../../evil')", "add('a//b')", "add('.hidden')",
            "link('out', '/etc'); add('out/evil')", "link('out', '..')", "link('a/up', '../..')",
            "link('a/b/up', '../..'); link('trick', 'a/b/up/..')", "hard('h', 'bin/llama-server')",
            "add('suid', mode=0o4755)", "add('twice'); add('twice')", "add('twice'); link('twice', 'bin')",
            "special('pipe', tarfile.FIFOTYPE)", "special('dev', tarfile.CHRTYPE)", "add('x' * 300)",
            "add('/'.join(['d'] * 40))", "add('short', size=100)",
            "add('caf\\u00e9')", "add('x\\udcf6')", "link('x', 'caf\\u00e9')", "add('bin')", "link('bin', 'lib')",
            "add('bin/llama-server/below')", "link('l', 'bin'); link('l/below', 'x')",
        ])
    func hostile(entry: String) async throws {
        let folder = try TemporaryFolder("tree")
        let script = """
            import io, sys, tarfile
            tar = tarfile.open(sys.argv[1], "w", format=tarfile.PAX_FORMAT)
            def add(name, mode=0o644, size=None):
                info = tarfile.TarInfo(name); info.mode = mode; info.size = 4 if size is None else size
                tar.fileobj.write(info.tobuf(tarfile.PAX_FORMAT)) if size else tar.addfile(info, io.BytesIO(b"evil"))
            def special(name, kind, target=""):
                info = tarfile.TarInfo(name); info.type = kind; info.linkname = target; tar.addfile(info)
            def link(name, target): special(name, tarfile.SYMTYPE, target)
            def hard(name, target): special(name, tarfile.LNKTYPE, target)
            add("bin/llama-server", mode=0o755)
            \(entry)
            tar.fileobj.close() if "size=" in sys.argv[2] else tar.close()
            """
        let archive = folder.file("evil.tar")
        let made = try await run("/usr/bin/python3", ["-c", script, archive, entry])
        #expect(made.status == 0, "\(made.errors)")
        let before = try FileManager.default.contentsOfDirectory(atPath: folder.path).count
        // It is the archive's fault, not one of the disk, over which it would be tried again.
        #expect { _ = try unpack(archive, folder) } throws: { ($0 as? BundleError)?.fault == .peer }
        // The archive's own folder gained the one that was unpacked into, and nothing else.
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).count == before + 1)
        #expect(!FileManager.default.fileExists(atPath: "/tmp/martlet-evil"))
    }

    @Test("a manifest of a program reads back, and one of another kind or size is refused")
    func manifest() throws {
        let layer = Descriptor(mediaType: MediaType.engineArchive, of: [1, 2, 3])
        let manifest = try ProgramManifest(content: .engine, layer: layer, unpacked: ByteCount(10))
        let bytes = try manifest.encoded()
        let descriptor = Descriptor(mediaType: MediaType.manifest, of: bytes)
        #expect(try ProgramManifest(parsing: bytes, matching: descriptor) == manifest)
        let text = String(decoding: bytes, as: UTF8.self)
        for (old, new) in [
            ("\"10\"", "\"-1\""), ("\"10\"", "\"99999999999\""), (MediaType.engineArchive, MediaType.weights),
            (MediaType.program, MediaType.modelManifest),
        ] {
            let other = Array(text.replacingOccurrences(of: old, with: new).utf8)
            #expect(throws: BundleError.self) {
                _ = try ProgramManifest(parsing: other, matching: Descriptor(mediaType: MediaType.manifest, of: other))
            }
        }
    }
}

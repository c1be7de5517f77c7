import Foundation
import TestSupport

/// Archives that shall write beside their place, or be more than they say.
struct HostileArchive {
    let what: String
    let path: String

    private static let script = """
        import io, os, random, sys, tarfile
        folder, bundle = sys.argv[1], sys.argv[2]
        def entry(name, kind=tarfile.REGTYPE, link='', size=4):
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, link, size
            return info
        def put(tar, info): tar.addfile(info, io.BytesIO(b'evil') if info.isreg() else None)
        def sound(tar):
            if not bundle: return
            with tarfile.open(bundle) as source:
                for member in source: tar.addfile(member, source.extractfile(member) if member.isreg() else None)
        def make(name, *entries, first=True):
            with tarfile.open(folder + '/' + name + '.tar', 'w', format=tarfile.PAX_FORMAT) as tar:
                if not first: sound(tar)
                for one in entries: put(tar, one)
                if first: sound(tar)
        make('up', entry('../escaped'))
        make('far-up', entry('blobs/sha256/../../../../escaped'))
        make('up-after', entry('../escaped'), first=False)
        make('absolute', entry(folder + '/escaped'))
        make('link', entry('blobs', tarfile.SYMTYPE, folder), entry('blobs/escaped'))
        make('hard-link', entry('oci-layout', tarfile.LNKTYPE, '/etc/passwd'))
        make('device', entry('index.json', tarfile.CHRTYPE))
        make('pipe', entry('index.json', tarfile.FIFOTYPE))
        make('twice', entry('oci-layout'), entry('oci-layout'))
        make('stranger', entry('evil.sh'))
        make('name', entry('a' * 5000))
        make('zero', entry('index.json\\0.txt'))
        with open(folder + '/terabyte.tar', 'wb') as file:
            file.write(entry('index.json', size=1 << 40).tobuf(tarfile.GNU_FORMAT) + b'evil' * 1000)
        with open(folder + '/negative.tar', 'wb') as file:
            file.write(entry('index.json', size=-1).tobuf(tarfile.GNU_FORMAT) + b'evil' * 1000)
        random.seed(5)
        for name, data in (('noise', random.randbytes(100000)), ('empty', b''), ('zip', b'PK\\3\\4' + bytes(1000)),
                           ('zstd', b'\\x28\\xb5\\x2f\\xfd' + random.randbytes(1000)), ('gguf', b'GGUF' + bytes(5000))):
            with open(folder + '/' + name + '.tar', 'wb') as file: file.write(data)
        if bundle:
            data = open(bundle, 'rb').read()
            with open(folder + '/cut.tar', 'wb') as file: file.write(data[:len(data) // 2])
        """

    /// Makes them in a folder of their own; with a sound bundle, each is that with the evil added.
    static func all(in folder: TemporaryFolder, from bundle: String = "") async throws -> [HostileArchive] {
        let place = folder.file("archives")
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        let file = folder.file("archives.py")
        try script.write(toFile: file, atomically: true, encoding: .utf8)
        let made = try await run("/usr/bin/python3", [file, place, bundle])
        guard made.status == 0 else { throw NeverTrue(description: "no archives: \(made.errors)") }
        return try FileManager.default.contentsOfDirectory(atPath: place).sorted()
            .map { HostileArchive(what: $0, path: "\(place)/\($0)") }
    }

    /// Files of the archives' that are anywhere in the folder.
    static func escaped(_ folder: TemporaryFolder) throws -> [String] {
        StoryTests.files(under: folder.path).filter { $0.hasSuffix("/escaped") || $0.hasSuffix("/evil.sh") }
    }
}

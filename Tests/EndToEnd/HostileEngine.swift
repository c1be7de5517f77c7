import Foundation
import TestSupport
import Testing

/// What hostile weights that took over an engine would do: a program that runs in the engine's place, in its
/// confinement, tries to get out, notes what came of it, and then becomes the real engine.
struct HostileEngine {
    /// What it tries to reach.
    struct Targets: Encodable {
        /// Files and folders that are nothing to an engine.
        var read: [String] = []
        var write: [String] = []
        /// Ports of this machine on which somebody listens.
        var tcp: [Int] = []
        /// UNIX sockets on which somebody listens: streams, and datagrams.
        var streams: [String] = []
        var datagrams: [String] = []
        /// A process that is not its own.
        var process: Int32 = 0
    }

    private static let script = """
        import errno, json, os, socket, sys
        targets = json.load(open(sys.argv[1]))
        found = {}
        def tried(name, what):
            try:
                what()
                found[name] = 'done'
            except OSError as error:
                found[name] = os.strerror(error.errno)
        def read(path):
            if os.path.isdir(path): os.listdir(path)
            else: open(path, 'rb').read(1)
        def write(path): open(path + '/evil' if os.path.isdir(path) else path, 'ab').close()
        def send(family, kind, address, connects=True):
            with socket.socket(family, kind) as one:
                one.settimeout(5)
                if connects: one.connect(address)
                else: one.sendto(b'evil', address)
        def pair(path):
            one, two = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
            one.sendto(b'evil', path)
        def listen():
            with socket.socket(socket.AF_INET) as one:
                one.bind(('127.0.0.1', 0))
                one.listen()
        for path in targets['read']: tried('read ' + path, lambda: read(path))
        for path in targets['write']: tried('write ' + path, lambda: write(path))
        for port in targets['tcp']:
            tried('tcp %d' % port, lambda: send(socket.AF_INET, socket.SOCK_STREAM, ('127.0.0.1', port)))
        tried('udp', lambda: send(socket.AF_INET, socket.SOCK_DGRAM, ('127.0.0.1', 9), False))
        tried('netlink', lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM))
        tried('listen', listen)
        for path in targets['streams']:
            tried('stream ' + path, lambda: send(socket.AF_UNIX, socket.SOCK_STREAM, path))
        for path in targets['datagrams']:
            tried('datagram ' + path, lambda: send(socket.AF_UNIX, socket.SOCK_DGRAM, path, False))
            tried('pair ' + path, lambda: pair(path))
        process = '/proc/%d/' % targets['process']
        def look(name):
            # The kernel opens some of these for root, and shows nothing in them.
            if not open(process + name, 'rb').read(1): raise OSError(errno.EACCES, name)
        for name in ('environ', 'maps', 'root/etc/passwd'): tried('process ' + name, lambda: look(name))
        tried('process fd', lambda: os.readlink(process + 'fd/1'))
        json.dump(found, sys.stdout)
        """

    private let folder: TemporaryFolder

    /// A program to be named to an agent as its `llama-server`; `real` is the one that it becomes.
    init(real: String) throws {
        folder = try TemporaryFolder("hostile")
        try FileManager.default.createDirectory(atPath: folder.file("bin"), withIntermediateDirectories: true)
        try Self.script.write(toFile: folder.file("probe.py"), atomically: true, encoding: .utf8)
        let probe = "'\(folder.file("probe.py"))' '\(folder.file("targets.json"))'"
        let shell = """
            #!/bin/sh
            case "$1" in
            --host) /usr/bin/python3 \(probe) >"$HOME/probe.json" 2>&1
            esac
            exec '\(real)' "$@"
            """
        try shell.write(toFile: program, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program)
    }

    var program: String { folder.file("bin/llama-server") }

    /// Says what is to be tried from the next start of an engine on.
    func aim(at targets: Targets) throws {
        try JSONEncoder().encode(targets).write(to: URL(fileURLWithPath: folder.file("targets.json")))
    }

    /// What came of it in an engine of a device's slot: `done`, or the kernel's word for why not.
    static func outcome(in data: String, slot: String) throws -> [String: String]? {
        let files = StoryTests.files(under: "\(data)/run/engines/\(slot)").filter { $0.hasSuffix("/probe.json") }
        func generation(_ file: String) -> Int { Int(file.split(separator: "/").dropLast().last ?? "") ?? 0 }
        let newest = files.max { generation($0) < generation($1) }
        guard let newest, let bytes = FileManager.default.contents(atPath: newest), !bytes.isEmpty else { return nil }
        return try JSONDecoder().decode([String: String].self, from: bytes)
    }

    /// The same tried by the test itself, whom nobody confines: what is aimed at is there to be had.
    func unconfined() async throws -> [String: String] {
        let done = try await run("/usr/bin/python3", [folder.file("probe.py"), folder.file("targets.json")])
        #expect(done.status == 0, "\(done.errors)")
        return try JSONDecoder().decode([String: String].self, from: Data(done.output.utf8))
    }
}

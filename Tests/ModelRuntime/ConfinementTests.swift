import Foundation
import MartletTypes
import TestSupport
import Testing

@testable import ModelRuntime

@Suite("Confinement")
struct ConfinementTests {
    /// Runs a shell line under the confinement of engines.
    private func confined(_ line: String, readable: [String] = [], writable: [String] = []) async throws -> String {
        var plan = ChildPlan(path: "/bin/sh", arguments: ["/bin/sh", "-c", line], environment: ["PATH=/usr/bin:/bin"])
        plan.confinement = 0b1100
        plan.confinementRequired = true
        plan.readable = Confinement.systemReadable + readable
        plan.writable = Confinement.systemWritable + writable
        return try await OutputCollector.run(plan, on: try #require(ProcessThread.shared))
    }

    @Test("files beyond the model and the engine's folder cannot be read or written")
    func files() async throws {
        let folder = try TemporaryFolder()
        for name in ["model", "secret"] {
            try "text".write(toFile: folder.file(name), atomically: true, encoding: .utf8)
        }
        try FileManager.default.createDirectory(atPath: folder.file("run"), withIntermediateDirectories: true)
        let lines = """
            cat \(folder.file("model")) && echo; cat \(folder.file("secret")) || echo no; cat /etc/shadow || echo no
            echo x > \(folder.file("run/new")) && echo made; echo x > \(folder.file("model")) || echo no
            echo x > \(folder.file("other")) || echo no; ls \(folder.path) || echo no; ls /root || echo no
            """
        let text = try await confined(
            "{ \(lines.replacing("\n", with: "; ")) ; } 2>/dev/null", readable: [folder.file("model")],
            writable: [folder.file("run")])
        #expect(text == "text\nno\nno\nmade\nno\nno\nno\nno\n")
    }

    @Test("only UNIX sockets can be made, and no other way around is open")
    func sockets() async throws {
        let script = """
            import socket, ctypes
            def tried(what):
                try: what(); return 'made'
                except OSError as error: return error.strerror
            print(tried(lambda: socket.socket(socket.AF_UNIX)))
            print(tried(lambda: socket.socketpair()))
            for family in (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_PACKET):
                kind = socket.SOCK_RAW if family == socket.AF_PACKET else socket.SOCK_DGRAM
                print(tried(lambda: socket.socket(family, kind)))
            libc = ctypes.CDLL(None, use_errno=True)
            for number in (425, 101):
                print(libc.syscall(number, 0, 0, 0, 0), ctypes.get_errno())
            """
        let folder = try TemporaryFolder()
        try script.write(toFile: folder.file("s.py"), atomically: true, encoding: .utf8)
        let text = try await confined("python3 \(folder.file("s.py"))", readable: [folder.path])
        let refused = String(repeating: "Address family not supported by protocol\n", count: 4)
        #if arch(x86_64)
            #expect(text == "made\nmade\n" + refused + "-1 38\n-1 1\n")
        #else
            #expect(text.hasPrefix("made\nmade\n" + refused + "-1 38\n"))
        #endif
    }

    @Test("nobody's socket can be spoken to, by connecting or without")
    func othersSockets() async throws {
        let folder = try TemporaryFolder()
        let heard = try NotifyListener(folder.file("datagrams"))
        let script = """
            import os, socket
            def tried(what):
                try: what(); return 'done'
                except OSError as error: return os.strerror(error.errno)
            here = os.path.dirname(__file__)
            own = socket.socket(socket.AF_UNIX)
            own.bind(here + '/own.sock')
            own.listen()
            print(tried(lambda: socket.socket(socket.AF_UNIX).connect(here + '/own.sock')))
            print(tried(lambda: socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).connect(here + '/own.sock')))
            for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC):
                print(tried(lambda: socket.socket(socket.AF_UNIX, kind).sendto(b'x', here + '/datagrams')))
                print(tried(lambda: socket.socketpair(socket.AF_UNIX, kind)[0].sendto(b'x', here + '/datagrams')))
            """
        try script.write(toFile: folder.file("s.py"), atomically: true, encoding: .utf8)
        let line = "python3 \(folder.file("s.py"))"
        let text = try await confined(line, readable: [folder.path], writable: [folder.path])
        #expect(
            text == String(repeating: "Permission denied\n", count: 2)
                + String(repeating: "Socket type not supported\n", count: 6))
        #expect(heard.next() == nil)
    }

    @Test("of root's powers none is left that reaches around the rest")
    func powers() async throws {
        let text = try await confined("grep Cap /proc/self/status")
        for line in text.split(separator: "\n") where !line.hasPrefix("CapBnd") {
            let set = UInt64(line.split(separator: "\t").last ?? "", radix: 16)
            // The second is CAP_DAC_OVERRIDE.
            #expect(set.map { $0 & ~(1 << 1) } == 0, "\(line)")
        }
        #expect(text.contains("CapEff"))
    }

    @Test("an engine works in the confinement and is reported as confined")
    func engine() async throws {
        let scene = try await RuntimeScene(confinement: Confinement(mode: .required))
        let process = try await scene.ready(scene.spec(adapters: [EngineAdapter(path: TinyModel.adapter)]))
        let forked = try #require(process as? ForkedProcess)
        #expect(forked.applied.contains([.landlock, .seccomp, .parentDeathSignal, .outOfMemoryFirst]))
        let status = try #require(ProcFile.text("/proc/\(process.pid)/status"))
        #expect(status.contains("Seccomp:\t2"))
        _ = await process.terminate(grace: .seconds(20))
    }

    @Test(
        "the tree of an engine is its unpacked folder, never the whole file system",
        arguments: [
            ("/nonexistent/llama/bin/llama-server", "/nonexistent/llama"),
            ("/nonexistent/llama-server", "/nonexistent"),
            ("/nonexistent", "/nonexistent"), ("/nonexistent-root/bin/x", "/nonexistent-root"),
        ])
    func tree(path: String, tree: String) {
        #expect(ForkLauncher.tree(of: path) == tree)
    }
}

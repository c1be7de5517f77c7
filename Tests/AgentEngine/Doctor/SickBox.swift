import AgentStore
import Foundation
import Glibc
import MartletTypes
import TUF
import TestSupport
import Testing
import Trust

@testable import AgentEngine

/// A healthy device with a registry's answer behind TLS, all made for the test; each set-up then breaks one thing.
final class SickBox {
    let folder: TemporaryFolder
    var scene: Doctor.Scene
    /// What must be kept for as long as the doctor looks.
    private var held: [Any] = []
    private var identity: DeviceIdentity
    private let registry: AnsweringPeer

    var data: String { folder.file("data") }
    var root: String { folder.file("root") }
    var layout: StoreLayout { StoreLayout(root: data) }

    init() async throws {
        folder = try TemporaryFolder("doc")
        let data = folder.file("data")
        registry = try await AnsweringPeer(in: folder.file("registry"), name: "IP:127.0.0.1")
        try registry.answer("200 OK", "{}")
        let key = try KeyPair.generate(.ed25519)
        let certificate = try await registry.certificate(for: key)
        let facts = try CertificateFacts(Array(certificate.utf8))
        identity = DeviceIdentity(
            device: try DeviceID("ward-1"), registry: "https://127.0.0.1:\(registry.port)", rootDigest: .of([]),
            caFingerprint: "", certificate: certificate, authorities: [try registry.text("ca.pem")],
            notBefore: facts.notBefore, notAfter: facts.notAfter, labels: .none, key: "key-1.pem")
        scene = Doctor.Scene(
            data: data, options: AgentOptions(), environment: ["MARTLET_LLAMA_SERVER": folder.file("llama-server")],
            root: folder.file("root"))
        scene.kernelClock = { nil }
        let files = RealFileSystem()
        for (path, mode) in layout.folders { try files.makeFolder(path, mode: mode) }
        try files.writeAtomically(try key.pem(), to: layout.identity + "/key-1.pem", mode: 0o600)
        try IdentityStore(folder: layout.identity).save(identity, root: Array("{}".utf8))
        try write("data/lock", "")
        try configure(#"{"policy": {"otherSlots": ["clinic/*"]}, "gateway": {"address": "127.0.0.1:0"}}"#)
        for role in ["timestamp", "snapshot", "targets"] { try metadata(role) }
        try engine("echo 'version: 0.7.0 (build 11669)'")
        try machine()
    }

    // MARK: What set-ups change

    func write(_ name: String, _ text: String) throws {
        let path = folder.file(name)
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try? FileManager.default.removeItem(atPath: path)
        try text.write(toFile: path, atomically: false, encoding: .utf8)
    }

    func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: folder.file(name)) }

    func mode(_ mode: mode_t, _ name: String) { #expect(chmod(folder.file(name), mode) == 0) }

    func configure(_ text: String) throws {
        try write("data/agent.json", text)
        mode(0o600, "data/agent.json")
    }

    /// The policy, a free port, and further members of the configuration.
    func configure(with members: String) throws {
        try configure(
            #"{"policy": {"otherSlots": ["clinic/*"]}, "gateway": {"address": "127.0.0.1:0"}, \#(members)}"#)
    }

    /// An engine that the owner declared, as a member of `engines`.
    func declaration(_ further: String = "") throws -> String {
        try write("serve", "#!/bin/sh\n")
        mode(0o755, "serve")
        let command = #"["\#(folder.file("serve"))", "{model}", "{socket}"]"#
        return #""onnx": {"command": \#(command), "formats": ["onnx"]\#(further)}"#
    }

    /// The unit of the agent, for this data folder.
    func unit(_ settings: String = "", flags: String = "") throws {
        try write(
            "root/usr/lib/systemd/system/martlet-agent.service",
            """
            [Service]
            EnvironmentFile=-/etc/default/martlet-agent
            \(settings)
            ExecStart=/usr/bin/martlet-agent run --data \(data) $MARTLET_AGENT_FLAGS
            """)
        try write("root/etc/default/martlet-agent", "# Flags\nMARTLET_AGENT_FLAGS=\"\(flags)\"\n")
    }

    /// The unit as it is packaged: it names the machine's own file.
    func packagedUnit(_ configuration: String, flags: String = "") throws {
        let path = folder.file("root/etc/martlet/agent.json")
        try unit("Environment=MARTLET_AGENT_SYSTEM_CONFIG=\(path)", flags: flags)
        try write("root/etc/martlet/agent.json", configuration)
    }

    func option(_ name: AgentOption, _ value: String) {
        scene.options = AgentOptions(flags: [name: value], environment: scene.environment)
    }

    func clock(_ time: Timestamp) { scene.clock = { time } }

    var certificateEnds: Timestamp { identity.notAfter }
    var certificateBegins: Timestamp { identity.notBefore }

    func identify(_ change: (inout DeviceIdentity) -> Void) throws {
        change(&identity)
        try IdentityStore(folder: layout.identity).save(identity)
    }

    /// What the registry answers.
    func registry(_ status: String, _ body: String = "") throws { try registry.answer(status, body) }

    /// Another registry in place of the device's own, whose certificate is for `name`.
    func replaceRegistry(name: String, requiresClient: Bool = false, isBelieved: Bool) async throws {
        let other = try await AnsweringPeer(
            in: folder.file("other"), name: name, requiresClient: requiresClient)
        try other.answer("200 OK", "{}")
        held.append(other)
        try identify { identity in
            identity.registry = "https://127.0.0.1:\(other.port)"
            if isBelieved, let authority = try? other.text("ca.pem") { identity.authorities = [authority] }
        }
    }

    func metadata(_ role: String, expires: Timestamp? = nil, targets: String = #""martlet/trust.json": {}"#) throws {
        let time = expires ?? AgentClock.systemTime() + .seconds(86_400)
        try write(
            "data/tuf/\(role).json",
            #"{"signatures": [], "signed": {"_type": "\#(role)", "expires": "\#(time)", "targets": {\#(targets)}}}"#)
    }

    /// The engine's program: a script.
    func engine(_ script: String, mode: mode_t = 0o755) throws {
        try write("llama-server", "#!/bin/sh\n\(script)\n")
        self.mode(mode, "llama-server")
    }

    /// A generation that serves in slot `triage`.
    func install(
        engine: EngineRequirement = EngineRequirement(name: "llama.cpp"), build: EngineBuild? = nil,
        bytes: ByteCount = .zero
    ) throws {
        let target = try SlotFixtures.target("1.0.0", generation: 1)
        var record = SlotFixtures.generation(1, target, slot: try SlotFixtures.slot())
        record.engine = engine
        record.build = build
        record.shape.fileSize = bytes
        record.shape.tensorBytes = bytes
        let folder = layout.generation(record.id, of: record.slot)
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try Data(JSONText.encode(record)).write(to: URL(fileURLWithPath: folder + "/generation.json"))
        try FileManager.default.createSymbolicLink(
            atPath: layout.generations(of: record.slot) + "/current", withDestinationPath: "\(record.id)")
    }

    /// An agent that answers with this status.
    func run(_ status: AgentStatus) async throws {
        let socket = ControlSocket(folder: layout.run, logger: AgentLog.silent) { status }
        let task = Task { try await socket.run() }
        held.append(Cancelling(task: task))
        let path = layout.run + "/control.sock"
        try await eventually(within: 20, "the socket is there") { FileManager.default.fileExists(atPath: path) }
    }

    func hold(_ thing: Any) { held.append(thing) }

    /// The data folder as a program sees it that mounted something, in a namespace of its own.
    func mount(_ script: String) async throws {
        let ready = folder.file("mounted")
        let process = try RunningProcess(
            "/usr/bin/unshare",
            [
                "-m", "--propagation", "private", "/bin/sh", "-ec", "\(script)\necho > \(ready)\nexec sleep 600", "sh",
                data,
            ],
            log: folder.file("mount.log"))
        held.append(process)
        try await eventually(within: 20, "it is mounted") {
            guard process.isRunning else { throw NeverTrue(description: process.output) }
            return FileManager.default.fileExists(atPath: ready)
        }
        scene.data = "/proc/\(process.pid)/root" + data
    }

    /// A box of 8 GB with nothing wrong.
    private func machine() throws {
        try write(
            "root/proc/meminfo",
            "MemTotal: 8000000 kB\nMemAvailable: 6000000 kB\nSwapTotal: 1000000 kB\nSwapFree: 1000000 kB\n")
        try write("root/proc/cpuinfo", "processor : 0\nmodel name : test\nflags : avx2\n")
        try write("root/sys/devices/system/cpu/online", "0-3\n")
        try write("root/proc/pressure/memory", "some avg10=0.00 avg60=0.10 avg300=0.00 total=1\n")
        try write("root/sys/class/thermal/thermal_zone0/type", "cpu-thermal\n")
        try write("root/sys/class/thermal/thermal_zone0/temp", "45000\n")
        try write("root/run/systemd/timesync/synchronized", "")
        try write("root/run/systemd/system/.keep", "")
        try write("root/usr/lib/systemd/system/martlet-agent.service", "[Service]\n")
        try write("root/usr/lib/systemd/system/martlet-runtime@.service", "[Service]\n")
        try write("root/etc/systemd/system/multi-user.target.wants/martlet-agent.service", "[Service]\n")
    }

    private final class Cancelling {
        let task: Task<Void, any Error>
        init(task: Task<Void, any Error>) { self.task = task }
        deinit { task.cancel() }
    }
}

/// `openssl s_server` that gives one answer for the metadata's timestamp.
final class AnsweringPeer {
    let folder: String
    private(set) var port = 0
    private let server: ChildProcess
    private let input: FileHandle
    private let output: FileHandle

    init(in folder: String, name: String, requiresClient: Bool = false) async throws {
        self.folder = folder
        try FileManager.default.createDirectory(atPath: folder + "/tuf", withIntermediateDirectories: true)
        try await Self.openssl(
            "req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", folder + "/ca.key", "-out", folder + "/ca.pem",
            "-days", "2", "-subj", "/CN=test authority")
        try "subjectAltName=\(name)".write(toFile: folder + "/server.ext", atomically: true, encoding: .utf8)
        try "extendedKeyUsage=clientAuth".write(toFile: folder + "/device.ext", atomically: true, encoding: .utf8)
        try await Self.openssl(
            "req", "-newkey", "ed25519", "-nodes", "-keyout", folder + "/server.key", "-out", folder + "/server.csr",
            "-subj", "/CN=server")
        try await Self.openssl(
            "x509", "-req", "-in", folder + "/server.csr", "-CA", folder + "/ca.pem", "-CAkey", folder + "/ca.key",
            "-CAcreateserial", "-days", "2", "-extfile", folder + "/server.ext", "-out", folder + "/server.pem")
        let (stdin, stdout) = (try ChildProcess.pipe(), try ChildProcess.pipe())
        let verify = requiresClient ? "-Verify 1 -verify_return_error" : ""
        server = try ChildProcess(
            "/bin/sh",
            [
                "-c",
                "cd \(folder) && exec openssl s_server -accept 127.0.0.1:0 -cert server.pem -key server.key -HTTP "
                    + "-CAfile ca.pem \(verify)",
            ], input: .descriptor(stdin.reading.fileDescriptor), output: .descriptor(stdout.writing.fileDescriptor),
            errors: .nothing)
        input = stdin.writing
        output = stdout.reading
        // The child's end of its output must be the only one, or its end would never be read.
        try stdout.writing.close()
        var text = ""
        while let piece = try stdout.reading.read(upToCount: 1), !piece.isEmpty {
            text += String(decoding: piece, as: UTF8.self)
            guard text.hasSuffix("\n") else { continue }
            if text.hasPrefix("ACCEPT") { break }
            text = ""
        }
        port = text.split(separator: ":").last.flatMap { Int($0.dropLast()) } ?? 0
    }

    deinit { server.terminate() }

    /// `-HTTP` sends files as they are, head and all.
    func answer(_ status: String, _ body: String) throws {
        let type = body.contains("\"code\"") ? "application/problem+json" : "application/json"
        try "HTTP/1.0 \(status)\r\nContent-Type: \(type)\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
            .write(toFile: folder + "/tuf/timestamp.json", atomically: true, encoding: .utf8)
    }

    func text(_ name: String) throws -> String { try String(contentsOfFile: folder + "/" + name, encoding: .utf8) }

    /// A device's certificate for the key, in PEM.
    func certificate(for key: KeyPair) async throws -> String {
        let request = try CertificateRequest.make(key: key, commonName: "ward-1")
        try Data(request).write(to: URL(fileURLWithPath: folder + "/device.csr"))
        try await Self.openssl(
            "x509", "-req", "-inform", "DER", "-in", folder + "/device.csr", "-CA", folder + "/ca.pem", "-CAkey",
            folder + "/ca.key", "-CAcreateserial", "-days", "2", "-extfile", folder + "/device.ext", "-out",
            folder + "/device.pem")
        return try text("device.pem")
    }

    private static func openssl(_ arguments: String...) async throws {
        let done = try await TestSupport.run("/usr/bin/env", ["openssl"] + arguments)
        guard done.status == 0 else { throw NeverTrue(description: done.errors) }
    }
}

import Foundation
import Glibc
import MartletTypes
import TestSupport
import Testing

@testable import AgentEngine

/// Who may speak to the agent. Another user is a process of another user: `setpriv` starts one, which root may do.
@Suite("Access to the control socket")
struct ControlAccessTests {
    private static let isRoot = geteuid() == 0
    private static let stranger: UInt32 = 65_534
    /// Groups by number in this machine's list: `games` reads, `audio` changes; both are in every Debian.
    private static let readers = "games"
    private static let changers = "audio"

    private final class Scene {
        let folder: TemporaryFolder
        private let task: Task<Void, any Error>

        init(_ access: ControlAccess) async throws {
            folder = try TemporaryFolder("acc")
            let run = folder.file("run")
            try FileManager.default.createDirectory(atPath: run, withIntermediateDirectories: true)
            for path in [folder.path, run] { #expect(chmod(path, 0o755) == 0) }
            let socket = ControlSocket(
                folder: run, access: access, logger: AgentLog.silent,
                rollback: { slot, who in
                    LocalRollback(
                        slot: slot, to: [try ReleasePath("clinic/\(who.replacing(" ", with: "-"))/1.0.0")], from: [])
                }
            ) { try BrokenSetUp.status { _ in } }
            task = Task { try await socket.run() }
            try await eventually(within: 20, "the socket is there") {
                FileManager.default.fileExists(atPath: run + "/control.sock")
            }
        }

        deinit { task.cancel() }

        /// What a process of that user and those groups gets; nothing where it may not even connect.
        func ask(_ question: String, user: UInt32, group: UInt32 = 65_534, groups: [UInt32] = []) async throws -> String
        {
            let script = """
                import socket,sys
                s = socket.socket(socket.AF_UNIX); s.settimeout(20)
                try: s.connect(sys.argv[1])
                except PermissionError: sys.exit(0)
                s.sendall(sys.argv[2].encode() + b"\\n")
                data = b""
                while True:
                    piece = s.recv(65536)
                    if not piece: break
                    data += piece
                sys.stdout.write(data.decode())
                """
            let list =
                groups.isEmpty ? ["--clear-groups"] : ["--groups", groups.map(String.init).joined(separator: ",")]
            let done = try await run(
                "/usr/bin/setpriv",
                ["--reuid", String(user), "--regid", String(group)] + list
                    + ["/usr/bin/env", "python3", "-c", script, folder.file("run/control.sock"), question])
            guard done.status == 0 else { throw NeverTrue(description: done.errors) }
            return done.output
        }
    }

    private let status = #"{"command":"status"}"#
    private let rollback = #"{"command":"rollback","slot":"triage"}"#

    @Test(
        "another user may not even connect where no group is named", .enabled(if: isRoot, "changing users needs root"))
    func closed() async throws {
        let scene = try await Scene(ControlAccess())
        #expect(try await scene.ask(status, user: Self.stranger) == "")
        #expect(try await scene.ask(status, user: 0).contains(#""agent""#))
        #expect(try await scene.ask(rollback, user: 0).contains(#""done""#))
    }

    @Test(
        "a group that may read gets status and is refused changes; another user is refused all",
        .enabled(if: isRoot, "changing users needs root"))
    func groups() async throws {
        let scene = try await Scene(ControlAccess(readGroups: [Self.readers], changeGroups: [Self.changers]))
        let readers = try #require(ControlAccess.number(of: Self.readers))
        let changers = try #require(ControlAccess.number(of: Self.changers))
        let refused = try await scene.ask(status, user: Self.stranger)
        #expect(refused.contains("may not ask the agent") && !refused.contains(#""agent""#), "\(refused)")
        for (group, groups) in [(readers, []), (65_534, [readers])] {
            let asked = try await scene.ask(status, user: Self.stranger, group: group, groups: groups)
            #expect(asked.contains(#""agent""#), "\(asked)")
            let changed = try await scene.ask(rollback, user: Self.stranger, group: group, groups: groups)
            #expect(changed.contains("not have it change anything") && !changed.contains(#""done""#), "\(changed)")
        }
        let changed = try await scene.ask(rollback, user: Self.stranger, groups: [changers])
        #expect(changed.contains("clinic/user-65534"), "\(changed)")
        #expect(try await scene.ask(status, user: Self.stranger, groups: [changers]).contains(#""agent""#))
    }

    @Test("a group that nobody has made lets nobody in")
    func unknown() {
        let rule = ControlAccess(readGroups: ["no-such-group-here"]).resolved()
        #expect(rule.readers.isEmpty)
        #expect(!rule.allows(.read, LocalSocket.Peer(process: 1, user: 4_000_000, groups: [0])))
        #expect(rule.allows(.change, LocalSocket.Peer(process: 1, user: 0, groups: [])))
        #expect(rule.allows(.change, LocalSocket.Peer(process: 1, user: geteuid(), groups: [])))
    }

    @Test("a bundle is refused to whoever may only read", .enabled(if: isRoot, "changing users needs root"))
    func bundle() async throws {
        let scene = try await Scene(ControlAccess(readGroups: [Self.readers]))
        let readers = try #require(ControlAccess.number(of: Self.readers))
        let answer = try await scene.ask(#"{"command":"install"}"#, user: Self.stranger, groups: [readers])
        #expect(answer.contains("not have it change anything"), "\(answer)")
    }
}

import CSQLite
import Foundation
import TestSupport
import Testing

/// The registry as its unit runs it: what it prints, and what systemd is told by how it ends.
@Suite("The registry as a service", .serialized)
struct RegistryServiceTests {
    private func serve(_ folder: TemporaryFolder) -> [String] {
        [
            "serve", "--data", folder.file("registry"), "--operator-address", "127.0.0.1:0", "--device-address",
            "127.0.0.1:0",
        ]
    }

    /// Starts a registry, waits until it listens, and ends it; returns what it printed.
    private func printed(_ folder: TemporaryFolder, environment: [String: String]) async throws -> String {
        let process = try RunningProcess(
            Checkout.product("martlet-registry"), serve(folder), environment: environment,
            log: folder.file("registry.log"))
        try await eventually(within: 60, "it listens\n\(process.output)") {
            FileManager.default.fileExists(atPath: folder.file("registry/run/addresses.json"))
        }
        #expect(try await process.stop() == 0)
        return process.output
    }

    @Test("prints its first token on a terminal, and puts it into a file where systemd keeps what is printed")
    func token() async throws {
        let plain = try TemporaryFolder("plain")
        #expect(try await printed(plain, environment: [:]).contains("martlet_"))
        #expect(!FileManager.default.fileExists(atPath: plain.file("registry/admin.token")))

        let service = try TemporaryFolder("service")
        let output = try await printed(service, environment: ["NOTIFY_SOCKET": service.file("notify")])
        let file = service.file("registry/admin.token")
        let token = try String(contentsOfFile: file, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
        #expect(token.hasPrefix("martlet_") && !output.contains("martlet_") && output.contains(file))
    }

    @Test("ends for good, with the way back in words, where a newer program has changed its database")
    func newer() async throws {
        let folder = try TemporaryFolder("newer")
        _ = try await printed(folder, environment: [:])
        let path = folder.file("registry/registry.sqlite")
        var database: OpaquePointer?
        #expect(sqlite3_open(path, &database) == SQLITE_OK)
        let step = "INSERT INTO schema_migrations (number, name, digest, applied) VALUES (9999, 'later', 'x', 0)"
        #expect(sqlite3_exec(database, step, nil, nil, nil) == SQLITE_OK)
        sqlite3_close(database)
        try Data().write(to: URL(fileURLWithPath: path + ".before-9999"))

        let refused = try await run(Checkout.product("martlet-registry"), serve(folder))
        #expect(refused.status == 78 && refused.errors.contains(path + ".before-9999"), "\(refused)")
        let unit = try String(contentsOfFile: Checkout.root + "/systemd/martlet-registry.service", encoding: .utf8)
        #expect(unit.contains("RestartPreventExitStatus=64 77 78\n"))
    }

    @Test("is backed up and restored by commands that say what they did, and verify")
    func commands() async throws {
        let folder = try TemporaryFolder("commands")
        _ = try await printed(folder, environment: [:])
        let program = Checkout.product("martlet-registry")
        let (data, kept, other) = (folder.file("registry"), folder.file("backup"), folder.file("other"))
        let first = try await run(program, ["backup", "--data", data, kept])
        #expect(first.status == 0 && first.output.contains("Backup of"), "\(first)")
        let again = try await run(program, ["backup", "--verify", "--data", data, kept])
        #expect(again.status == 0 && again.output.contains("whole"), "\(again)")
        let restored = try await run(program, ["restore", "--data", other, kept])
        #expect(restored.status == 0 && restored.output.contains("revoked"), "\(restored)")
    }
}

import Foundation
import MartletAPI
import MartletTypes
import TestSupport
import Testing

/// `martlet` as scripts use it: JSON on standard output, errors as JSON on standard error, exit codes.
@Suite("The command line for programs", .serialized)
struct CommandLineTests {
    private struct Failure: Decodable {
        let code: String
        let message: String
        let remedy: String
    }

    @Test("with --output json results are JSON, and nothing else is printed")
    func results() async throws {
        let site = try Site("json")
        try await site.startRegistry()
        try await site.initializeTrust()
        try await site.martlet("publish", PublishTests.q4, "--as", "clinic/base:1.0.0", "--output", "json")
        _ = try await site.enrol("box")
        let commands: [[String]] = [
            ["login", site.operatorAddress], ["status"], ["trust", "status"], ["trust", "renew"],
            ["publish", PublishTests.q4, "--as", "clinic/base:1.0.0"], ["releases"],
            ["releases", "show", "clinic/base:1.0.0"],
            ["releases", "block", "clinic/base:1.0.0", "--reason", "drill"],
            ["releases", "unblock", "clinic/base:1.0.0", "--reason", "drill"],
            ["alias", "set", "clinic/base:1.0.0", "stable"], ["alias"], ["devices"], ["devices", "show", "box"],
            ["devices", "history", "box"], ["devices", "reports", "box"],
            ["devices", "pin", "box", "triage", "--reason", "study"], ["devices", "unpin", "box", "triage"],
            ["devices", "hold", "box", "--reason", "study"], ["devices", "release", "box"],
            ["rollout", "policy", "example"], ["devices", "label", "box", "site=berlin"],
            ["fleets", "set", "all", "--selector", ""], ["fleets"],
            ["rollout", "plan", "clinic/base@stable", "--fleet", "all", "--slot", "triage"],
            ["rollout", "start", "clinic/base@stable", "--fleet", "all", "--slot", "triage"], ["rollout"],
            ["telemetry"], ["audit"], ["token", "create", "ci"], ["token"], ["token", "join"], ["token", "joins"],
            ["yank", "clinic/base:1.0.0"], ["devices", "remove", "box"], ["fleets", "delete", "all"],
        ]
        for command in commands {
            let result = try await site.martlet(command + ["--output", "json"], expecting: 0)
            #expect(throws: Never.self, "\(command): \(result.output)") {
                try JSONSerialization.jsonObject(with: Data(result.output.utf8))
            }
            #expect(result.errors.isEmpty, "\(command): \(result.errors)")
            #expect(!result.output.contains("\u{1B}"))
        }
        let configuration = try FileManager.default.attributesOfItem(
            atPath: site.folder.file("operator/config/martlet/config.json"))
        #expect(configuration[.posixPermissions] as? Int == 0o600)
        try await site.stopRegistry()
    }

    @Test("with --output json errors are JSON with code, message and remedy, the parser's too")
    func errors() async throws {
        let site = try Site("json-errors")
        try await site.startRegistry()
        let early: [(arguments: [String], status: Int32, code: String)] = [
            (["devices"], 78, "notLoggedIn"),
            (["devices", "--server", "http://127.0.0.1:1"], 69, "cannotConnect"),
            (["devices", "--server", "http://example.com", "--token", "x"], 65, "insecureOrigin"),
            (["devices", "--server", "nonsense"], 65, "invalidValue"),
            (["devices", "--server", site.operatorAddress, "--token-file", "/nonexistent"], 65, "fileUnreadable"),
            (["login", site.operatorAddress], 65, "tokenNeeded"),
            (["login", site.operatorAddress, "--token", "wrong"], 77, "unauthorized"),
            (["token", "join", "--server", site.operatorAddress, "--token", try site.adminToken], 69, "noRoot"),
            (["nonsense"], 64, "usage"), (["releases", "show"], 64, "usage"),
            (["rollout", "start", "clinic/a:1.0.0", "--slot", "x"], 64, "usage"),
            (["token", "join", "--valid", "soon"], 64, "usage"), (["audit", "--limit", "0"], 64, "usage"),
            (["publish", PublishTests.q4, "--as", "clinic/a:1.0.0", "--min-accuracy", "2"], 64, "usage"),
        ]
        for wrong in early { try await check(site, wrong.arguments, wrong.status, wrong.code) }
        try await site.initializeTrust()
        let late: [(arguments: [String], status: Int32, code: String)] = [
            (["releases", "show", "clinic/a:1.0.0"], 65, "unknownRelease"),
            (["releases", "show", "clinic/a@stable"], 65, "unknownAlias"),
            (["devices", "show", "box"], 65, "unknownDevice"), (["yank", "clinic/a:1.0.0"], 65, "unknownRelease"),
            (["publish", PublishTests.q4, "--as", "legal/a:1.0.0"], 78, "noPublisherKey"),
            (["publish", PublishTests.q4, "--as", "clinic/a:1.0.0", "--key", "/nonexistent.pem"], 65, "keyNotFound"),
            (["trust", "init", "--namespace", "legal", "--no-passphrase"], 65, "alreadyInitialized"),
            (["trust", "delegate", "root"], 65, "invalidName"), (["trust", "pin", "sha256:00"], 64, "usage"),
            (["trust", "pin", "sha256:" + String(repeating: "0", count: 64)], 76, "rootMismatch"),
        ]
        for wrong in late { try await check(site, wrong.arguments, wrong.status, wrong.code) }
        try await nothingToGoBackTo(site)
        // The environment asks for the same, and must ask for something that there is.
        var environment = site.operatorEnvironment
        environment["MARTLET_OUTPUT"] = "json"
        let asked = try await run(Checkout.product("martlet"), ["devices", "show", "x"], environment: environment)
        #expect(try JSONText.decode(Failure.self, from: Array(asked.errors.utf8)).code == "unknownDevice")
        environment["MARTLET_OUTPUT"] = "xml"
        let wrong = try await run(Checkout.product("martlet"), ["devices"], environment: environment)
        #expect(wrong.status == 64 && wrong.errors.contains("xml"))
        try await site.stopRegistry()
    }

    /// A rollback that moved nobody tells which devices it skipped, and fails.
    private func nothingToGoBackTo(_ site: Site) async throws {
        try await site.martlet("publish", PublishTests.q4, "--as", "clinic/a:1.0.0")
        _ = try await site.enrol("box")
        try await site.martlet("rollout", "start", "clinic/a:1.0.0", "--selector", "", "--slot", "triage")
        let result = try await site.martlet(
            "rollback", "--device", "box", "--slot", "triage", "--wait", "--output", "json", expecting: 65)
        let answer = try JSONText.decode(RollbackAnswer.self, from: Array(result.output.utf8))
        #expect(answer.moves.isEmpty && answer.skipped.count == 1)
        let failure = try JSONText.decode(Failure.self, from: Array(result.errors.utf8))
        #expect(failure.code == "nothingToGoBackTo")
    }

    private func check(_ site: Site, _ arguments: [String], _ status: Int32, _ code: String) async throws {
        let result = try await site.martlet(arguments + ["--output", "json"], expecting: status)
        #expect(result.output.isEmpty, "\(arguments): \(result.output)")
        do {
            let failure = try JSONText.decode(Failure.self, from: Array(result.errors.utf8))
            #expect(failure.code == code, "\(arguments): \(failure)")
            #expect(!failure.message.isEmpty && !failure.remedy.isEmpty, "\(arguments): \(failure)")
        } catch {
            Issue.record("\(arguments): \(result.errors)")
        }
    }
}

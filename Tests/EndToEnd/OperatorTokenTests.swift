import Foundation
import MartletAPI
import MartletTypes
import TestSupport
import Testing

/// docs/security.md, the row "operator's token": somebody has one, and tries all that it is not for.
@Suite("An operator's token", .serialized)
struct OperatorTokenTests {
    /// One thing that the holder of a token tries with the command line.
    private struct Attempt {
        let token: String
        let arguments: [String]
        /// 77 where the registry says 403; 65 where it says that there is no such thing.
        var status: Int32 = 77

        init(_ token: String, _ arguments: String..., status: Int32 = 77) {
            (self.token, self.arguments, self.status) = (token, arguments, status)
        }
    }

    private static let model = StoryTests.tiny("tiny-v1.Q4_0.gguf")

    /// A registry with a release and two devices in fleets of their own.
    private func scene(_ name: String, _ body: (Site, [String: String]) async throws -> Void) async throws {
        try await Site.ready(name) { site in
            try await site.martlet("publish", Self.model, "--as", "clinic/base:1.0.0")
            let join = try await site.joinFile("--uses", "2")
            for (device, label) in [("ward-1", "site=berlin"), ("lab-1", "site=lab")] {
                #expect(try await site.enrol(device, join: join, labels: [label]).status == 0)
            }
            try await site.martlet("fleets", "set", "wards", "--selector", "site=berlin")
            try await site.martlet("fleets", "set", "labs", "--selector", "site=lab")
            var tokens: [String: String] = [:]
            for (name, arguments) in [
                ("viewer", ["--role", "viewer"]), ("publisher", ["--role", "publisher", "--namespace", "clinic"]),
                ("stranger", ["--role", "publisher", "--namespace", "lab"]), ("operator", ["--role", "operator"]),
                ("shift", ["--role", "operator", "--fleet", "labs"]),
                ("line", ["--role", "operator", "--namespace", "lab"]),
            ] {
                let made = try await site.martlet(["token", "create", name] + arguments, expecting: 0)
                tokens[name] = made.output.trimmingCharacters(in: .whitespacesAndNewlines)
            }
            try await body(site, tokens)
        }
    }

    @Test("does nothing beyond its role, nor outside its namespaces and fleets, and no trace of it stays")
    func refused() async throws {
        try await scene("optoken") { site, tokens in
            let before = try await site.json([AuditRow].self, "audit", "list")
            let rollout = ["rollout", "start", "clinic/base:1.0.0", "--slot", "triage", "--soak", "0s"]
            let attempts = [
                // The role.
                Attempt("viewer", "token", "join"), Attempt("viewer", "token", "create", "mine", "--role", "admin"),
                Attempt("viewer", "releases", "block", "clinic/base:1.0.0", "--reason", "mine"),
                Attempt("viewer", "devices", "revoke", "ward-1", "--reason", "mine"),
                Attempt("viewer", "fleets", "delete", "wards"), Attempt("viewer", "token", "list"),
                Attempt("viewer", "publish", Self.model, "--as", "clinic/mine:1.0.0"),
                Attempt("publisher", "releases", "block", "clinic/base:1.0.0", "--reason", "mine"),
                Attempt("publisher", "token", "join"), Attempt("publisher", "fleets", "delete", "wards"),
                Attempt("operator", "token", "create", "mine", "--role", "admin"), Attempt("operator", "token", "list"),
                Attempt("operator", "webhooks", "add", "https://127.0.0.1/mine"),
                // The namespace.
                Attempt("stranger", "publish", Self.model, "--as", "clinic/mine:1.0.0"),
                Attempt("stranger", "yank", "clinic/base:1.0.0"),
                Attempt("line", "releases", "block", "clinic/base:1.0.0", "--reason", "mine"),
                Attempt("line", "alias", "set", "clinic/base:1.0.0", "stable"),
                // The fleet: devices of others are not there for it.
                Attempt("shift", "devices", "revoke", "ward-1", "--reason", "mine", status: 65),
                Attempt("shift", "devices", "show", "ward-1", status: 65),
                Attempt("shift", "fleets", "delete", "wards"), Attempt("shift", "token", "join"),
            ]
            for attempt in attempts {
                let token = try #require(tokens[attempt.token])
                let done = try await site.martlet(attempt.arguments + ["--token", token], expecting: attempt.status)
                #expect(!done.errors.contains(token), "\(attempt.arguments)")
            }
            for (name, fleet) in [("viewer", "wards"), ("publisher", "wards"), ("shift", "wards"), ("line", "labs")] {
                let token = try #require(tokens[name])
                try await site.martlet(rollout + ["--fleet", fleet, "--token", token], expecting: 77)
            }
            // Nothing of it took place, and rows of the log are of what did.
            #expect(try await site.json([AuditRow].self, "audit", "list").count == before.count)
            #expect(try await site.json([RolloutInfo].self, "rollout", "list").isEmpty)
            #expect(try await site.json([ReleaseInfo].self, "releases", "list").map(\.state) == [.published])
            #expect(try await site.json([DeviceInfo].self, "devices", "list").allSatisfy { $0.standing == .active })
            // What a limited token may list shows nothing beyond the limit.
            let shift = try #require(tokens["shift"])
            let seen = try await site.json([DeviceInfo].self, "devices", "list", "--token", shift)
            #expect(seen.map(\.device.text) == ["lab-1"])
            let line = try #require(tokens["line"])
            #expect(try await site.json([ReleaseInfo].self, "releases", "list", "--token", line).isEmpty)
            #expect(!site.registryLog.contains(shift))
        }
    }

    @Test("does all that it permits, and each act is a row with its name in a log that verifies; then it ends")
    func permitted() async throws {
        try await scene("opcan") { site, tokens in
            func act(_ name: String, _ arguments: String..., expecting status: Int32 = 0) async throws {
                try await site.martlet(arguments + ["--token", try #require(tokens[name])], expecting: status)
            }
            try await act("publisher", "publish", Self.model, "--as", "clinic/base:1.1.0")
            try await act("operator", "releases", "block", "clinic/base:1.0.0", "--reason", "stolen")
            try await act("shift", "devices", "revoke", "lab-1", "--reason", "stolen")
            let rows = try await site.json([AuditRow].self, "audit", "list")
            for (actor, subject) in [
                ("publisher", "clinic/base/1.1.0"), ("operator", "clinic/base/1.0.0"), ("shift", "lab-1"),
            ] {
                #expect(rows.contains { $0.actor == actor && $0.subject == subject }, "\(actor): \(rows.map(\.actor))")
            }
            try await site.martlet("audit", "verify")

            // From the next request on.
            let ids = try await site.json([TokenInfo].self, "token", "list")
            try await act("operator", "devices", "list")
            try await site.martlet("token", "revoke", try #require(ids.first { $0.name == "operator" }).id)
            try await act("operator", "devices", "list", expecting: 77)
            let brief = try await site.martlet("token", "create", "brief", "--role", "admin", "--valid", "2s").output
            let secret = brief.trimmingCharacters(in: .whitespacesAndNewlines)
            let path = site.operatorAddress + "/api/v1/whoami"
            try await eventually(within: 30, "the token ends") {
                try await Curl.get(path, token: secret).status == 401
            }
            try await site.martlet(["token", "list", "--token", secret], expecting: 77)
        }
    }
}

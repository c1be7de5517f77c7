import Foundation
import MartletTypes
import RolloutEngine
import TestSupport
import Testing
import Trust

@testable import RegistryStore

@Suite struct EventLogTests {
    private struct Abandoned: Error {}

    @Test("Every action that the sources write to the audit log is an event or deliberately silent")
    func everyAction() throws {
        var actions: Set<String> = []
        for file in try Self.sources() {
            // Names of actions look like nothing else: two words in lower camel case with a dot, in quotes.
            for match in file.matches(of: /"((?:[a-z][A-Za-z]+\.)+[a-z][A-Za-z]+)"/) {
                let text = String(match.1)
                if Self.groups.contains(String(text.prefix { $0 != "." })) { actions.insert(text) }
            }
        }
        #expect(actions.count > 30, "the sources are read")
        for action in actions.sorted() {
            #expect(
                EventMapping.events[action] != nil || EventMapping.silent[action] != nil,
                "\(action): say in EventMapping which event it is, or why it is silent")
        }
        for decision in RolloutDecision.Action.allCases {
            #expect(
                EventMapping.events["rollout.\(decision.rawValue)"] != nil,
                "rollout.\(decision.rawValue): say in EventMapping which event this decision is")
        }
        #expect(Set(EventMapping.events.keys).isDisjoint(with: EventMapping.silent.keys))
    }

    /// The first words of actions. What else has the form of one (a file, a counter) begins otherwise.
    private static let groups: Set = [
        "alias", "blob", "device", "fleet", "joinToken", "manifest", "offline", "registry", "release", "rollout",
        "token", "trust", "tuf", "webhook",
    ]

    private static func sources() throws -> [String] {
        let roots = ["RegistryServer", "RegistryStore"].map { Checkout.root + "/Sources/" + $0 }
        return try roots.flatMap { root in
            try FileManager.default.subpathsOfDirectory(atPath: root).filter { $0.hasSuffix(".swift") }
                .map { try String(contentsOfFile: root + "/" + $0, encoding: .utf8) }
        }
    }

    @Test("An action that nobody has listed is told by a general type, so that nothing is forgotten")
    func unlisted() {
        #expect(EventMapping.outcome(of: "rollout.ponder") == .event(.rolloutDecided))
        #expect(EventMapping.outcome(of: "rollout.ask.ponder") == .silent)
        #expect(EventMapping.outcome(of: "moon.rise") == .event(.registryChanged))
        #expect(EventMapping.outcome(of: "device.renew") == .silent)
    }

    @Test("An event is written with its audit row or not at all")
    func oneTransaction() async throws {
        let fixture = try await StoreFixture()
        let now = fixture.now
        await #expect(throws: Abandoned.self) {
            try await fixture.database.write { sql in
                try AuditLog(sql).append(actor: "ann", action: "token.create", subject: "bob", now: now)
                throw Abandoned()
            }
        }
        #expect(try await fixture.database.read { try EventLog($0).rows(after: 0) }.isEmpty)
        try await fixture.database.write { sql in
            try AuditLog(sql).append(
                actor: "ann", action: "token.create", subject: "bob", detail: .object(["role": .string("viewer")]),
                now: now)
            try AuditLog(sql).append(actor: "ann", action: "blob.delete", subject: "clinic/x@sha256:0", now: now)
        }
        let rows = try await fixture.database.read { try EventLog($0).rows(after: 0) }
        #expect(rows.map(\.type) == [.tokenCreated] && rows.map(\.number) == [1], "numbers have no gaps")
        #expect(rows[0].subject == "bob" && rows[0].time == now)
        #expect(rows[0].data["actor"] == .string("ann") && rows[0].data["role"] == .string("viewer"))
        #expect(rows[0].data["auditRow"] == .integer(1))
        #expect(try await fixture.reopened().read { try EventLog($0).find(id: rows[0].id) } == rows[0])
    }

    @Test("An event says whom it concerns")
    func scopes() async throws {
        let fixture = try await StoreFixture()
        let now = fixture.now
        let device = try await fixture.enrol("box-1", labels: ["site": "berlin"])
        let labels = try Labels(["site": "berlin"])
        let rows = try await fixture.database.write { sql in
            let audit = AuditLog(sql)
            try audit.append(actor: "ann", action: "device.hold", subject: device.text, now: now)
            try audit.append(actor: "ann", action: "release.yank", subject: "clinic/triage/1.0.0", now: now)
            try audit.append(actor: "ann", action: "alias.set", subject: "clinic/triage@stable", now: now)
            try audit.append(actor: "ann", action: "fleet.set", subject: "wards", now: now)
            try audit.append(actor: "ann", action: "rollback", subject: "box-1", now: now)
            try audit.append(actor: "ann", action: "trust.change", subject: "root", now: now)
            return try EventLog(sql).rows(after: 0)
        }
        #expect(rows.map(\.scope.device) == [device, nil, nil, nil, device, nil])
        #expect(rows.map(\.scope.labels) == [labels, nil, nil, nil, labels, nil])
        #expect(rows.map(\.scope.namespaces) == [[], ["clinic"], ["clinic"], [], [], []])
        #expect(rows.map(\.scope.fleet?.text) == [nil, nil, nil, "wards", nil, nil])
    }

    @Test("A failed report is an event with its code and without the device's words")
    func failures() async throws {
        let fixture = try await StoreFixture()
        let now = fixture.now
        let device = try await fixture.enrol("box-1")
        let release = try ReleasePath("clinic/triage/1.0.0")
        let journal = try StoreFixture.journal("a")
        let reports = [
            ReportRow(
                sequence: 1, time: now, slot: try SlotName("triage"), generation: 3, releases: [release],
                state: .probing),
            ReportRow(
                sequence: 2, time: now, slot: try SlotName("triage"), generation: 3, releases: [release],
                state: .failed, code: "probeFailed", message: "the answer was: a prompt"),
        ]
        for _ in 0..<2 {
            try await fixture.database.write { sql in
                _ = try ReportStore(sql).accept(device, journal, reports, now: now)
            }
        }
        let rows = try await fixture.database.read { try EventLog($0).rows(after: 0) }
        #expect(rows.map(\.type) == [.deviceFailed], "once, however often it comes")
        #expect(rows[0].data["code"] == .string("probeFailed") && rows[0].scope.namespaces == ["clinic"])
        #expect(!String(decoding: try JSONText.encode(rows[0].data), as: UTF8.self).contains("prompt"))
    }

    @Test("Silence is told once, and its end")
    func silence() async throws {
        let fixture = try await StoreFixture()
        let (start, device) = (fixture.now, try await fixture.enrol("box-1"))
        _ = try await fixture.enrol("box-2")
        func types() async throws -> [EventType] {
            try await fixture.database.read { try EventLog($0).rows(after: 0).map(\.type) }
        }
        try await fixture.database.write { try DeviceStore($0).touch([device: start]) }
        for _ in 0..<2 {
            try await fixture.database.write {
                _ = try SilenceStore($0).note(before: start + .seconds(1), limit: 10, now: start + .seconds(3600))
            }
        }
        #expect(try await types() == [.deviceSilent], "one that was never seen is not silent")
        for seconds in [7200, 7201] {
            try await fixture.database.write { try DeviceStore($0).touch([device: start + .seconds(seconds)]) }
        }
        #expect(try await types() == [.deviceSilent, .deviceBack])
    }

    @Test("Old events are forgotten, but not those that a delivery names")
    func pruning() async throws {
        let fixture = try await StoreFixture()
        let now = fixture.now
        try await fixture.database.write { sql in
            for number in 0..<4 {
                try EventLog(sql).append(.fleetChanged, subject: "f\(number)", now: now + .seconds(number))
            }
            try WebhookStore(sql).create(Self.webhook("w-1", now))
            try DeliveryStore(sql).add(2, to: "w-1", now: now)
            _ = try EventLog(sql).prune(before: now + .seconds(3))
        }
        #expect(try await fixture.database.read { try EventLog($0).rows(after: 0).map(\.number) } == [2, 4])
        #expect(try await fixture.database.read { try EventLog($0).newest() } == 4)
    }

    static func webhook(_ id: String, _ now: Timestamp) -> WebhookRow {
        WebhookRow(
            id: id, url: "https://hooks.example/x", filter: .everything, event: 0, created: now, createdBy: "ann")
    }
}

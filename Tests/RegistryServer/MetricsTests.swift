import Foundation
import HTTPTypes
import MartletAPI
import MartletTypes
import RegistryClient
import TestSupport
import Testing

@testable import RegistryServer

@Suite("What the registry tells those who watch it")
struct MetricsTests {
    private func scrape(_ registry: RegistryFixture) async throws -> String {
        let anyone = try registry.client(token: nil)
        let reply = try await anyone.perform(HTTPCall(.get, "/metrics"), limit: 1 << 22)
        await anyone.close()
        return String(decoding: reply.body, as: UTF8.self)
    }

    private func value(_ name: String, in text: String) -> Int64? {
        text.split(separator: "\n").first { $0.hasPrefix("martlet_registry_\(name) ") }
            .flatMap { Int64($0.split(separator: " ")[1]) }
    }

    @Test("Of fifty namespaces with all their bins each has its earliest end, and the standard roles are all there")
    func fiftyNamespaces() {
        var ends: [String: Timestamp] = [:]
        for role in ["root", "targets", "snapshot", "timestamp"] { ends[role] = Timestamp(seconds: 9000) }
        for number in 0..<50 {
            ends["ns-\(number)"] = Timestamp(seconds: 2000)
            for bin in 0..<128 {
                let hex = String(bin, radix: 16)
                ends["ns-\(number)-bin-" + (hex.count < 2 ? "0" : "") + hex] = Timestamp(seconds: 2000 - Int64(bin))
            }
        }
        let series = ExpirySeries(ends)
        #expect(series.ends.count == 54 && series.omitted == 0)
        #expect(series.ends.prefix(4).map(\.role) == ["root", "snapshot", "targets", "timestamp"])
        #expect(series.ends.dropFirst(4).allSatisfy { $0.end == Timestamp(seconds: 2000 - 127) })
        #expect(series.ends.contains { $0.role == "ns-49" })
    }

    @Test("Where there are too many namespaces those that end first are told, and how many are not")
    func tooMany() {
        var ends = ["root": Timestamp(seconds: 9000)]
        for number in 0..<10 { ends["ns\(number)"] = Timestamp(seconds: Int64(100 - number)) }
        let series = ExpirySeries(ends, limit: 3)
        #expect(series.ends.map(\.role) == ["root", "ns7", "ns8", "ns9"])
        #expect(series.omitted == 7)
    }

    @Test("Ends, rollouts that wait, silent devices, free space and the last backup are told, to anyone who asks")
    func gauges() async throws {
        let registry = try await RegistryFixture.start()
        try await registry.initializeTrust()
        let release = try await registry.publish("clinic/triage/1.0.0")
        _ = try await SimulatedDevice("box-1", at: registry)
        let rollout = try await registry.admin.startRollout(
            RolloutRequest(
                selector: try LabelSelector(""), slot: try SlotName("triage"), releases: [release.path]))
        var text = try await scrape(registry)
        let ends = text.matches(of: /metadata_expiry_seconds\{role="([^"]+)"\}/).map { String($0.1) }
        #expect(ends == ["root", "snapshot", "targets", "timestamp", "clinic"])
        #expect(value("rollouts_paused", in: text) == 0 && value("rollouts_open", in: text) == 1)
        #expect(value("devices_silent", in: text) == 0)
        #expect(value("data_free_bytes", in: text) ?? 0 > 0)
        #expect(value("last_backup_timestamp_seconds", in: text) == nil, "there was none")

        _ = try await registry.admin.changeRollout(rollout.id, .pause, RolloutChange(reason: "lunch"))
        let made = try await registry.backup(to: registry.folder.file("backup")).created
        registry.clock.advance(by: .seconds(2 * 3600))
        text = try await scrape(registry)
        #expect(value("rollouts_paused", in: text) == 1)
        #expect(value("devices_silent", in: text) == 1)
        #expect(value("last_backup_timestamp_seconds", in: text) == made.seconds)
        try await registry.stop()
    }

    /// The lines of the indented block in operations.md that begins with a line.
    private static func example(_ start: String) throws -> String {
        let text = try String(contentsOfFile: Checkout.root + "/docs/operations.md", encoding: .utf8)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let index = lines.firstIndex(of: Substring("    " + start))
        let first = try #require(index, "\(start)")
        return lines[first...].prefix { $0.hasPrefix("    ") || $0.isEmpty }.map { String($0.dropFirst(4)) }
            .joined(separator: "\n")
    }

    @Test("The alerts of the handbook ask for series that there are, and Prometheus takes them")
    func alerts() async throws {
        let registry = try await RegistryFixture.start()
        try await registry.initializeTrust()
        try await registry.backup(to: registry.folder.file("backup"))
        let text = try await scrape(registry)
        try await registry.stop()
        let rules = try Self.example("groups:")
        let asked = Set(rules.matches(of: /martlet_registry_[a-z_]+/).map { String($0.0) })
        #expect(asked.count > 5)
        for name in asked { #expect(text.contains("# TYPE \(name) "), "\(name)") }

        let promtool = "/usr/bin/promtool"
        guard FileManager.default.isExecutableFile(atPath: promtool) else { return }
        let folder = try TemporaryFolder("prometheus")
        let ca = folder.file("authority.pem")
        try FileManager.default.copyItem(atPath: registry.folder.file("data/keys/authority.crt"), toPath: ca)
        try rules.write(toFile: folder.file("martlet.rules.yml"), atomically: true, encoding: .utf8)
        let scraping = try Self.example("scrape_configs:")
        #expect(scraping.contains("/etc/prometheus/martlet-authority.pem"))
        try scraping.replacing("/etc/prometheus/martlet-authority.pem", with: ca)
            .write(toFile: folder.file("prometheus.yml"), atomically: true, encoding: .utf8)
        for arguments in [
            ["check", "rules", folder.file("martlet.rules.yml")], ["check", "config", folder.file("prometheus.yml")],
        ] {
            let checked = try await run(promtool, arguments)
            #expect(checked.status == 0, "\(checked.output)\(checked.errors)")
        }
        try text.write(toFile: folder.file("metrics"), atomically: true, encoding: .utf8)
        let linted = try await run("/bin/sh", ["-c", "\(promtool) check metrics <\(folder.file("metrics"))"])
        #expect(linted.status == 0, "\(linted.output)\(linted.errors)")
    }
}

import MartletAPI
import MartletTypes
import Publishing
import Testing

@Suite("What ends soon")
struct MetadataRolesTests {
    private static let now = Timestamp(seconds: 1_800_000_000)
    private static let day = Duration.seconds(86_400)

    private func status(_ days: [String: Double]) -> RegistryStatus {
        RegistryStatus(
            version: "0", readiness: "ready", devices: 0, devicesOnline: 0, releases: 0, openRollouts: 0,
            metadataVersions: days.mapValues { _ in 7 }, metadataExpiries: days.mapValues { Self.now + Self.day * $0 })
    }

    @Test("a namespace and its bins are one thing, which ends with the first of them")
    func groups() {
        let roles = MetadataRoles(
            status([
                "root": 300, "targets": 300, "snapshot": 6, "timestamp": 0.9, "clinic": 29, "clinic-bin-0": 28,
                "clinic-bin-f": 12, "a-bin-b": 20, "a-bin-b-bin-3": 21,
            ]))
        #expect(roles.groups.map(\.name) == ["root", "timestamp", "snapshot", "targets", "a-bin-b", "clinic"])
        #expect(roles.groups.last?.bins == 2)
        #expect(roles.groups.last?.ends == Self.now + Self.day * 12)
        #expect(roles.warnings(now: Self.now).isEmpty)
        #expect(MetadataRoles(status([:])).groups.isEmpty)
    }

    @Test(
        "what ends within ten days is named with who mends it, what the registry renews only when it did not",
        arguments: [
            ("root", 9.9, "--root-key"), ("root", 10.1, nil), ("targets", -1, "--targets-key"),
            ("clinic", 9, "--namespace clinic`"), ("clinic-bin-4", 3, "--namespace clinic`"), ("clinic", 11, nil),
            ("snapshot", 3, nil), ("snapshot", 1, "log"), ("timestamp", 0.4, nil), ("timestamp", 0.1, "log"),
        ] as [(String, Double, String?)])
    func warnings(role: String, days: Double, remedy: String?) {
        var all = ["root": 300, "targets": 300, "snapshot": 6, "timestamp": 0.9, "clinic": 29, "clinic-bin-4": 29]
        all[role] = days
        let found = MetadataRoles(status(all)).warnings(now: Self.now)
        #expect(found.count == (remedy == nil ? 0 : 1))
        if let remedy, let warning = found.first {
            #expect(warning.remedy.contains(remedy))
            #expect(warning.message.contains(days < 0 ? " ended at " : " ends at "))
        }
    }
}

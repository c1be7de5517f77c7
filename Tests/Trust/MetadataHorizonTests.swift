import MartletTypes
import TUF
import Testing
import Trust

@Suite("How far ahead a registry's own roles may end")
struct MetadataHorizonTests {
    private static let now = Timestamp(seconds: 1_800_000_000)
    private static let day = Duration.seconds(86_400)

    private func bytes(_ metadata: some RoleMetadata) throws -> [UInt8] {
        try SignedEnvelope.sign(metadata.json, by: []).encoded()
    }

    private func timestamp(_ life: Duration) throws -> [UInt8] {
        try bytes(
            TimestampMetadata(
                version: 1, expires: Self.now + life, snapshot: MetadataFileInfo(version: 1, of: Array("{}".utf8))))
    }

    private func snapshot(_ life: Duration) throws -> [UInt8] {
        try bytes(SnapshotMetadata(version: 1, expires: Self.now + life, roles: [:]))
    }

    private func isRefused(_ way: MetadataHorizon, _ name: String, _ bytes: [UInt8]) -> Bool {
        do throws(TrustError) {
            try way.check(name, bytes, now: Self.now)
            return false
        } catch {
            #expect(error.reason == .expiresTooFar && !error.remedy.isEmpty)
            return true
        }
    }

    @Test("What a registry signs passes, and what only a captured one would sign does not")
    func bounds() throws {
        let cases: [(way: MetadataHorizon, life: Duration, timestamp: Bool, snapshot: Bool)] = [
            (.network, MetadataLifetime.timestamp, false, false), (.network, Self.day * 2, false, false),
            (.network, Self.day * 2 + .seconds(1), true, false), (.network, MetadataLifetime.snapshot, true, false),
            (.network, Self.day * 8 + .seconds(1), true, true), (.network, Self.day * 3650, true, true),
            (.bundle, Self.day * 90, false, false), (.bundle, Self.day * 91 + .seconds(1), true, true),
            (.bundle, Self.day * 3650, true, true),
        ]
        for (way, life, isTimestampRefused, isSnapshotRefused) in cases {
            #expect(isRefused(way, "timestamp.json", try timestamp(life)) == isTimestampRefused, "\(way) \(life)")
            for name in ["7.snapshot.json", "snapshot.json"] {
                #expect(isRefused(way, name, try snapshot(life)) == isSnapshotRefused, "\(way) \(life) \(name)")
            }
        }
    }

    @Test("The roles of owners and publishers are theirs to bound, and what is no metadata is for others to refuse")
    func others() throws {
        let far = try bytes(TargetsMetadata(expires: Self.now + Self.day * 3650))
        for name in ["1.root.json", "3.targets.json", "2.clinic.json", "2.clinic-bin-0a.json", "9.my.snapshot.json"] {
            #expect(!isRefused(.network, name, far), "\(name)")
        }
        for junk in ["", "{", "[]", #"{"signed":{"expires":"soon"}}"#, #"{"signed":7}"#] {
            #expect(!isRefused(.network, "timestamp.json", Array(junk.utf8)), "\(junk)")
        }
    }
}

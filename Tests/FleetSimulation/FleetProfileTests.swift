import MartletTypes
import TestSupport
import Testing

@testable import FleetSimulation

@Suite("Profiles of fleets")
struct FleetProfileTests {
    @Test("an empty profile is the default one")
    func empty() throws {
        #expect(try read("{}") == FleetProfile())
        #expect(FleetProfile().problem == nil)
    }

    @Test("every field is read")
    func whole() throws {
        let profile = try read(
            """
            {"labels": {"site": {"berlin": 3, "paris": 1}}, "hardware": {"raspberry-pi-5": 1},
             "linkMegabits": {"uniform": [1, 50]}, "releaseMegabytes": 120,
             "installation": {"verify": 1, "probe": 2, "switching": 0.1, "restore": 0.5}, "clockSkewSeconds": 0,
             "away": {"share": 0.2, "hereSeconds": 60, "awaySeconds": {"exponential": 30}},
             "requests": {"perMinute": 6, "everySeconds": 30, "durationSeconds": 1, "errorRate": 0.01,
                          "accuracy": 0.9, "agreement": 0.8},
             "reports": {"lateSeconds": 2, "doubled": 0.1, "reversed": 0.2, "repeatedLater": 0.3, "lostAnswer": 0.4},
             "effects": [{"release": "clinic/triage:2.0.0", "devices": "site=berlin", "share": 0.5,
                          "slowerPercent": 50, "errorRate": 0.05, "accuracy": 0.5, "agreement": 0.4,
                          "failure": {"share": 0.25, "at": "soaking", "code": "engineExited", "transient": true}}],
             "timeScale": 10}
            """)
        #expect(profile.labels == ["site": ["berlin": 3, "paris": 1]])
        #expect(profile.linkMegabits == .uniform(1, 50) && profile.releaseMegabytes == .constant(120))
        #expect(profile.installation.restore == .constant(0.5) && profile.away.awaySeconds == .exponential(mean: 30))
        #expect(profile.requests.perMinute == 6 && profile.reports.lostAnswer == 0.4 && profile.timeScale == 10)
        let effect = try #require(profile.effects.first)
        #expect(effect.release?.reference == "clinic/triage:2.0.0" && effect.devices.text == "site=berlin")
        #expect(effect.slowerPercent == 50 && effect.agreement == 0.4)
        #expect(effect.failure == .init(share: 0.25, at: .soaking, code: "engineExited", isTransient: true))
    }

    @Test(
        "what is misspelt or cannot be is refused, with its place",
        arguments: [
            (#"{"lable": {}}"#, "lable"), (#"{"away": {"shares": 1}}"#, "shares"),
            (#"{"away": {"share": 1.5}}"#, "share"), (#"{"labels": {"site": {"berlin": 0}}}"#, "weight"),
            (#"{"hardware": {"a": -1}}"#, "weight"), (#"{"timeScale": 0}"#, "timeScale"),
            (#"{"effects": [{"failure": {"at": "succeeded"}}]}"#, "fails at"),
            (#"{"effects": [{"release": "clinic/triage"}]}"#, "release"),
            (#"{"effects": [{"devices": "site in ("}]}"#, "selector"),
            (#"{"requests": {"everySeconds": 0}}"#, "everySeconds"),
        ])
    func refused(text: String, word: String) {
        do {
            _ = try read(text)
            Issue.record("\(text) was read")
        } catch {
            #expect("\(error)".contains(word), "\(error)")
        }
    }

    @Test("equal seeds draw equal devices, another seed draws others, and weights hold")
    func traits() throws {
        var profile = FleetProfile()
        profile.labels = ["site": ["berlin": 3, "paris": 1], "ring": ["canary": 1]]
        profile.away.share = 0.25
        func fleet(_ seed: UInt64) throws -> [DeviceTraits] {
            try (0..<2000).map { try DeviceTraits(number: $0, seed: seed, prefix: "sim", profile: profile) }
        }
        let one = try fleet(1)
        #expect(try one == fleet(1))
        #expect(try one != fleet(2))
        #expect(Set(one.map(\.device)).count == 2000 && Set(one.map(\.journal)).count == 2000)
        #expect(one[42].device.text == "sim-00042" && one[42].labels.values["ring"] == "canary")
        let berlin = one.count { $0.labels.values["site"] == "berlin" }
        #expect((1400...1600).contains(berlin), "\(berlin) of 2000 in Berlin, at a weight of 3 in 4")
        #expect((400...600).contains(one.count(where: \.goesAway)))
        #expect(Set(one.map { Int($0.bytesPerSecond) }).count > 1900)
    }

    @Test("what a release does follows from seed, device and release, and only a transient failure from the attempt")
    func influence() throws {
        var effect = ReleaseEffect(release: try ReleasePath("clinic/triage/2.0.0"), devices: try LabelSelector(""))
        effect.slowerPercent = 50
        effect.failure = .init(share: 0.5)
        var profile = FleetProfile()
        profile.effects = [effect]
        func outcomes(_ path: String, _ attempt: Int) throws -> [Bool] {
            try (0..<1000).map { number in
                let traits = try DeviceTraits(number: number, seed: 3, prefix: "sim", profile: profile)
                let release = try ReleasePath(path)
                let influence = ReleaseInfluence([release], on: traits, profile: profile, attempt: attempt)
                #expect(influence.slowness == (path == "clinic/triage/2.0.0" ? 1.5 : 1))
                return influence.failure != nil
            }
        }
        let first = try outcomes("clinic/triage/2.0.0", 0)
        #expect((400...600).contains(first.count { $0 }))
        #expect(try first == outcomes("clinic/triage/2.0.0", 1))
        #expect(try !outcomes("clinic/triage/1.0.0", 0).contains(true))
        profile.effects[0].failure?.isTransient = true
        #expect(try outcomes("clinic/triage/2.0.0", 0) != outcomes("clinic/triage/2.0.0", 1))
    }

    @Test("a hundred thousand devices stand behind addresses of this machine, few behind each")
    func addresses() {
        let texts = (0..<SimulationLimits.devices).map(LoopbackAddress.text(of:))
        let counts = Dictionary(grouping: texts) { $0 }.values.map(\.count)
        #expect(counts.allSatisfy { $0 <= SimulationLimits.devicesPerAddress })
        for text in Set(texts) {
            let parts = text.split(separator: ".").compactMap { UInt8($0) }
            #expect(parts.count == 4 && parts.first == 127 && text != "127.0.0.1", "\(text)")
        }
    }

    private func read(_ text: String) throws -> FleetProfile {
        try JSONText.decode(FleetProfile.self, from: Array(text.utf8))
    }
}

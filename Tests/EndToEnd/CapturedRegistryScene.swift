import Foundation
import MartletAPI
import MartletTypes
import RegistryClient
import TUF
import TestSupport
import Testing
import Trust

/// A site whose registry is taken over while a device serves `clinic/triage:1.0.0`.
final class CapturedScene: Sendable {
    static let slotName = "triage"
    static let serving = "clinic/triage:1.0.0"

    let site: Site
    let device: Site.Device
    let registry: CapturedRegistry
    let listener: CapturedRegistryListener
    /// The device listener's address, as devices know it.
    let address: String
    /// What was published, by version.
    let releases: [String: ReleaseInfo]
    /// A release whose role ends soon and is not renewed, and when.
    let frozen: (release: AssignedRelease, ends: Timestamp)
    /// One of the two publishers of `ward` who must sign together; the attacker has this key too.
    let ann: KeyPair
    private let counter: Counter

    /// Numbers of assignments, each above the last.
    private actor Counter {
        var number: Int64
        init(_ number: Int64) { self.number = number }
        func next() -> Int64 {
            number += 1
            return number
        }
    }

    private init(
        _ site: Site, _ device: Site.Device, _ registry: CapturedRegistry, _ listener: CapturedRegistryListener,
        _ address: String, _ releases: [String: ReleaseInfo], _ frozen: (AssignedRelease, Timestamp), _ ann: KeyPair,
        _ number: Int64
    ) {
        (self.site, self.device, self.registry, self.listener) = (site, device, registry, listener)
        (self.address, self.releases, self.frozen, self.ann) = (address, releases, frozen, ann)
        counter = Counter(number)
    }

    /// Sets the site up, lets the device serve, and hands the registry's machine to the attacker.
    static func start() async throws -> CapturedScene {
        let site = try Site("c")
        try await site.startRegistry()
        try await site.initializeTrust()
        for (version, file) in [
            ("1.0.0", "tiny-v1.Q4_0.gguf"), ("2.0.0", "tiny-v2.Q4_0.gguf"), ("3.0.0", "tiny-v1.Q8_0.gguf"),
        ] {
            try await site.martlet("publish", StoryTests.tiny(file), "--as", "clinic/triage:\(version)")
        }
        var releases: [String: ReleaseInfo] = [:]
        for version in ["1.0.0", "2.0.0", "3.0.0"] {
            releases[version] = try await site.json(
                ReleaseInfo.self, "releases", "show", "clinic/triage:\(version)")
        }
        try await site.martlet("yank", "clinic/triage:3.0.0")
        try await site.martlet("publish", StoryTests.tiny("tiny-v1.Q4_K_M.gguf"), "--as", "clinic/notes:1.0.0")
        releases["notes"] = try await site.json(ReleaseInfo.self, "releases", "show", "clinic/notes:1.0.0")
        try await site.martlet("floor", "clinic/notes", "2.0.0", "--reason", "wrong doses before 2.0.0")
        let ann = try await secondNamespace(site)
        let frozen = try await shortLived(site, besides: ["1.0.0", "2.0.0", "3.0.0"])
        let device = try await site.startDevice("w1", allowed: ["clinic/*", "lab/*", "ward/*"])
        try await site.martlet("fleets", "set", "wards", "--selector", "site=berlin")
        try await site.martlet(
            "rollout", "start", serving, "--fleet", "wards", "--slot", slotName, "--soak", "1s", "--wait")
        try await site.waitUntilServing("w1", slotName, serving)
        let number = try await site.device("w1").assignment

        let address = site.deviceAddress
        try await site.stopRegistry()
        try await site.startRegistry(["--device-address", "127.0.0.1:0"])
        let token = try String(contentsOfFile: site.folder.file("admin.token"), encoding: .utf8)
        let registry = try CapturedRegistry(
            data: site.registryData, address: site.operatorAddress,
            token: token.trimmingCharacters(in: .whitespacesAndNewlines))
        try await registry.resign()
        let listener = try await CapturedRegistryListener.start(registry, at: address)
        return CapturedScene(site, device, registry, listener, address, releases, frozen, ann, number)
    }

    /// Delegates `ward` to two publishers who must both sign; returns the key of one.
    private static func secondNamespace(_ site: Site) async throws -> KeyPair {
        let keys = site.folder.file("operator/keys")
        let pairs = [try KeyPair.generate(.ed25519), try KeyPair.generate(.ed25519)]
        for (name, pair) in zip(["ann", "bob"], pairs) {
            try Data(try pair.pem()).write(to: URL(fileURLWithPath: "\(keys)/\(name).pem"))
        }
        try await site.martlet(
            "trust", "delegate", "ward", "--threshold", "2", "--publisher", keys + "/ann.pem", "--publisher",
            keys + "/bob.pem", "--keys", keys, "--no-passphrase")
        return pairs[0]
    }

    /// Publishes a release into a bin of its own and signs that bin for seconds only, as if the publisher's month were
    /// nearly over when the registry fell.
    private static func shortLived(
        _ site: Site, besides versions: [String]
    ) async throws -> (AssignedRelease, Timestamp) {
        let layout = try NamespaceLayout("clinic")
        let taken = try Set(versions.map { try layout.bin(for: "clinic/triage/\($0)") })
        let version = try #require(
            (4...99).map { "\($0).0.0" }.first { version in
                (try? layout.bin(for: "clinic/triage/\(version)")).map { !taken.contains($0) } ?? false
            })
        try await site.martlet(
            "publish", StoryTests.tiny("tiny-v2.Q8_0.gguf"), "--as", "clinic/triage:\(version)")
        let info = try await site.json(ReleaseInfo.self, "releases", "show", "clinic/triage:\(version)")
        let token = try String(contentsOfFile: site.folder.file("admin.token"), encoding: .utf8)
            .trimmingCharacters(in: .whitespacesAndNewlines)
        let registry = try CapturedRegistry(data: site.registryData, address: site.operatorAddress, token: token)
        let bin = try layout.bin(for: info.path.text)
        let ends = Timestamp.now + .seconds(20)
        let next = try await registry.realRole(bin).next(expires: ends)
        let signed = try SignedEnvelope.sign(next.json, by: [publisherKey(site)]).encoded()
        let operators = OperatorClient(
            http: try HTTPClient(origin: Origin(site.operatorAddress), configuration: .init(bearerToken: token)))
        _ = try await operators.putRole(bin, bytes: signed)
        return (AssignedRelease(path: info.path, indexDigest: info.indexDigest, length: info.length), ends)
    }

    /// The offline key of the namespace, which the attacker does not have.
    private static func publisherKey(_ site: Site) throws -> KeyPair {
        let path = site.folder.file("operator/keys/clinic.pem")
        return try KeyPair(pem: Array(try Data(contentsOf: URL(fileURLWithPath: path))))
    }

    // MARK: What attacks are made of

    /// A published release as an assignment names it.
    func assigned(_ version: String, index: Digest? = nil) throws -> AssignedRelease {
        let info = try #require(releases[version])
        return AssignedRelease(path: info.path, indexDigest: index ?? info.indexDigest, length: info.length)
    }

    /// Assigns what serves again, and when the device has that, ends all forgeries: a release that publishers signed
    /// may be assigned by who holds the director's key, and would be installed once its bytes are right.
    func endAttack() async throws {
        let number = try await assign([try assigned("1.0.0")])
        try await eventually(within: 90, "the device has assignment \(number)") {
            try await self.agent().agent.assignment == number
        }
        try await registry.serveHonestly()
    }

    /// Signs an assignment of the slot with the director's key; returns its number.
    @discardableResult
    func assign(
        _ releases: [AssignedRelease], to device: String = "w1", number: Int64? = nil, isForced: Bool = false
    ) async throws -> Int64 {
        let used: Int64
        if let number { used = number } else { used = await counter.next() }
        let slot = SlotAssignment(
            releases: releases, generation: used, update: UpdatePolicy(soakSeconds: 1))
        try registry.assign(
            Assignment(
                device: try DeviceID(device), number: used, issued: .now, expires: .now + .seconds(86_400),
                slots: [try SlotName(Self.slotName): slot]), isForced: isForced)
        return used
    }

    /// The bin that holds a version of `clinic/triage`.
    func bin(_ version: String) throws -> String {
        try NamespaceLayout("clinic").bin(for: "clinic/triage/\(version)")
    }

    // MARK: What must hold

    /// The device answers, and serves what it served.
    func expectServing(_ attack: String) async throws {
        let status = try await Chat.ask(device.gateway, model: Self.slotName, "hello")
        #expect(status == 200, "after \(attack) the gateway answers")
        let answer = try await agent()
        let slot = try #require(answer.slots.first { $0.slot == Self.slotName })
        #expect(
            slot.serving && slot.current == ["clinic/triage/1.0.0"],
            "after \(attack) the slot serves \(slot.current), \(slot.phase)")
    }

    /// What the agent says of itself.
    func agent() async throws -> AgentAnswer {
        let agent = try await run(
            Checkout.product("martlet-agent"), ["status", "--data", device.data, "--output", "json"])
        return try JSONText.decode(AgentAnswer.self, from: Array(agent.output.utf8))
    }

    /// What `martlet-agent status` prints, as far as it matters here.
    struct AgentAnswer: Decodable {
        struct Agent: Decodable {
            let assignment: Int64
        }

        struct Slot: Decodable {
            let slot: String
            let phase: String
            let serving: Bool
            let current: [String]
        }

        let agent: Agent
        let slots: [Slot]
    }
}

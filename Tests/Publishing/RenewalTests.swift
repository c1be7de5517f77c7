import Foundation
import MartletTypes
import Publishing
import RegistryClient
import Synchronization
import TUF
import TestSupport
import Testing
import Trust

@Suite("Renewal")
struct RenewalTests {
    private static let day = Duration.seconds(86_400)

    /// `fixture.context` at another time.
    private func context(
        _ fixture: PublishingFixture, _ signers: [any Signer], after time: Duration
    ) throws -> PublisherContext {
        let base = try fixture.context(signers)
        return PublisherContext(
            operators: base.operators, oci: base.oci, tuf: base.tuf, signers: signers,
            clock: { PublishingFixture.now + time })
    }

    @Test("what ends within the time is signed anew, what does not is left alone, and the releases stay")
    func namespace() async throws {
        try await withFixture { fixture in
            _ = try await fixture.publish(try fixture.request("clinic/base:1.0.0", ["tiny-v1.Q4_0.gguf"]))
            let early = Renewal(context: try fixture.context(), within: Self.day * 10)
            #expect(try await early.namespace("clinic").isEmpty)

            let due = Renewal(context: try fixture.context(), within: Self.day * 31)
            let renewed = try await due.namespace("clinic")
            #expect(renewed.count == 129)
            #expect(renewed.first?.role == "clinic" && renewed.first?.version == 2)
            let bins = Dictionary(uniqueKeysWithValues: renewed.dropFirst().map { ($0.role, $0.version) })
            #expect(Set(bins.values) == [2, 3], "the bin that was published into is one further")
            #expect(renewed.allSatisfy { $0.expires == PublishingFixture.now + MetadataLifetime.namespace })

            let again = try await fixture.publish(try fixture.request("clinic/base:1.0.0", ["tiny-v1.Q4_0.gguf"]))
            #expect(again.outcome == .unchanged)
        }
    }

    @Test("what has ended is told with the remedy, and can be renewed")
    func ended() async throws {
        try await withFixture { fixture in
            let request = try fixture.request("clinic/base:1.0.0", ["tiny-v1.Q4_0.gguf"])
            _ = try await fixture.publish(request)
            // The registry signs snapshot and timestamp again; nobody signed the namespace.
            let late = Self.day * 31
            try fixture.passTime(late)
            let publisher = Publisher(context: try context(fixture, [fixture.publisher], after: late), journal: nil)
            var told: PublishError?
            do {
                _ = try await publisher.publish(request)
            } catch let error as PublishError {
                told = error
            }
            #expect(told?.reason == .metadataEnded)
            #expect(told?.remedy.contains("martlet trust renew --namespace clinic`") == true)

            let renewal = Renewal(context: try context(fixture, [fixture.publisher], after: late), within: .zero)
            let renewed = try await renewal.namespace("clinic")
            #expect(renewed.count == 129)
            #expect(try await publisher.publish(request).outcome == .unchanged)
        }
    }

    @Test("top-level targets and root are renewed by the owner's keys, and only by those")
    func owner() async throws {
        try await withFixture { fixture in
            let year = Self.day * 400
            try fixture.passTime(year)
            let stranger = Renewal(context: try context(fixture, [fixture.publisher], after: year), within: .zero)
            #expect(await code { _ = try await stranger.root() } == "notAPublisher")

            let root = Renewal(context: try context(fixture, [fixture.rootKey], after: year), within: .zero)
            #expect(try await root.root()?.version == 2)
            #expect(try await root.root() == nil)
            #expect(await code { _ = try await root.topLevelTargets() } == "notAPublisher")

            let targets = Renewal(context: try context(fixture, [fixture.owner], after: year), within: .zero)
            #expect(try await targets.topLevelTargets()?.version == 2)
            #expect(try await targets.topLevelTargets() == nil)
            let publisher = Renewal(context: try context(fixture, [fixture.publisher], after: year), within: .zero)
            #expect(try await publisher.namespace("clinic").count == 129)
        }
    }

    @Test("a publisher who is faster than a renewal loses nothing")
    func race() async throws {
        try await withFixture { fixture in
            let renewal = Renewal(context: try fixture.context(), within: Self.day * 31)
            let renewed = try await renewal.namespace("clinic") { step in
                guard step == .signing(role: "clinic-bin-03", attempt: 1) else { return }
                fixture.registry.state.withLock {
                    $0.beforePut.append { try? fixture.putRival(in: "clinic-bin-03", 0) }
                }
            }
            #expect(renewed.count == 129)
            #expect(renewed.first { $0.role == "clinic-bin-03" }?.version == 3)
            let tuf = try fixture.context().tuf
            try await tuf.refresh(now: PublishingFixture.now)
            let bin = try await tuf.role(["clinic", "clinic-bin-03"])
            #expect(bin?.version == 3 && bin?.targets["rival-0"] != nil)
        }
    }

    @Test("a namespace that nobody delegated, and a registry that keeps the result back, are told apart")
    func refused() async throws {
        try await withFixture { fixture in
            let renewal = Renewal(context: try fixture.context(), within: Self.day * 31)
            #expect(await code { _ = try await renewal.namespace("factory") } == "namespaceNotDelegated")
            let other = Renewal(context: try fixture.context([fixture.owner]), within: Self.day * 31)
            #expect(await code { _ = try await other.namespace("clinic") } == "notAPublisher")
            fixture.registry.state.withLock { $0.keepsBack = true }
            #expect(await code { _ = try await renewal.namespace("clinic") } == "notVisible")
        }
    }
}

extension PublishingFixture {
    /// Moves the registry's clock; it signs its own roles again, as it does by itself.
    func passTime(_ elapsed: Duration) throws {
        try registry.state.withLock { state in
            state.elapsed = elapsed
            try registry.sign(&state)
        }
    }
}

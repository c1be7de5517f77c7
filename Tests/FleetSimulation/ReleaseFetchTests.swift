import MartletAPI
import MartletTypes
import TestSupport
import Testing

@testable import FleetSimulation

/// What a simulated device reads of a release before it installs it.
@Suite("What a simulated device fetches")
struct ReleaseFetchTests {
    private static let layers = [Digest.of([1]), Digest.of([2])]
    private static let manifest = Array(
        #"{"layers": [{"digest": "\#(layers[0])"}, {"digest": "\#(layers[1])"}]}"#.utf8)
    private static let index = Array(
        #"{"manifests": [{"digest": "\#(Digest.of(manifest))"}, {"digest": "\#(Digest.of([9]))"}]}"#.utf8)
    private static let root = "/v2/clinic/triage"
    private static var documents: [String: [UInt8]] {
        [
            "\(root)/manifests/\(Digest.of(index))": index, "\(root)/manifests/\(Digest.of(manifest))": manifest,
            "\(root)/blobs/\(layers[0])": [1], "\(root)/blobs/\(layers[1])": [2],
        ]
    }

    private func registry(_ mode: FetchMode, _ documents: [String: [UInt8]]) throws -> SimulatedRegistry {
        var profile = FleetProfile()
        profile.clockSkewSeconds = .constant(0)
        let traits = try DeviceTraits(number: 0, seed: 1, prefix: "sim", profile: profile)
        var registry = SimulatedRegistry(traits, profile, fetch: mode)
        registry.documents = documents
        try registry.assign("clinic/triage/1.0.0", index: Self.index)
        registry.run(for: .seconds(3600))
        return registry
    }

    @Test("With metadata it reads the timestamp, the index and one variant's manifest; with blobs its layers too")
    func modes() throws {
        let metadata = [
            "/tuf/timestamp.json", "\(Self.root)/manifests/\(Digest.of(Self.index))",
            "\(Self.root)/manifests/\(Digest.of(Self.manifest))",
        ]
        let blobs = Self.layers.map { "\(Self.root)/blobs/\($0)" }
        for (mode, paths) in [(FetchMode.none, []), (.metadata, metadata), (.blobs, metadata + blobs)] {
            let registry = try registry(mode, Self.documents)
            #expect(registry.fetched == paths, "\(mode)")
            #expect(registry.states(of: 1).last == .succeeded && registry.problems == [], "\(mode)")
        }
    }

    @Test("A document that is not what was assigned, or not one at all, fails the installation by its cause")
    func wrong() throws {
        for (path, bytes, code) in [
            ("\(Self.root)/manifests/\(Digest.of(Self.index))", Self.manifest, "digestMismatch"),
            ("\(Self.root)/manifests/\(Digest.of(Self.manifest))", Array("{}".utf8), "digestMismatch"),
        ] {
            var documents = Self.documents
            documents[path] = bytes
            let registry = try registry(.blobs, documents)
            #expect(registry.states(of: 1).last == .failed && registry.taken.contains { $0.code == code }, "\(path)")
            #expect(!registry.fetched.contains { $0.contains("/blobs/") }, "nothing of it is read any further")
        }
        let broken = Array("{".utf8)
        var documents = Self.documents
        documents["\(Self.root)/manifests/\(Digest.of(broken))"] = broken
        var profile = FleetProfile()
        profile.clockSkewSeconds = .constant(0)
        let traits = try DeviceTraits(number: 0, seed: 1, prefix: "sim", profile: profile)
        var registry = SimulatedRegistry(traits, profile, fetch: .metadata)
        registry.documents = documents
        try registry.assign("clinic/triage/1.0.0", index: broken)
        registry.run(for: .seconds(3600))
        #expect(registry.taken.contains { $0.code == "malformedRelease" }, "\(registry.taken.compactMap(\.code))")
    }
}

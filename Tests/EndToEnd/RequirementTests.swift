import Foundation
import MartletAPI
import MartletTypes
import TestSupport
import Testing

/// What releases ask of devices, with the real programs: requirements, engines, embeddings.
@Suite("What releases ask of devices", .serialized)
struct RequirementTests {
    @Test("where each variant misses another requirement, the report names it for each; one that fits then serves")
    func requirements() async throws {
        let site = try Site("needs")
        try await site.startRegistry()
        try await site.initializeTrust()
        let device = try await site.startDevice("box")
        let builds = ["tiny-v1.Q4_0.gguf", "tiny-v1.Q4_K_M.gguf", "tiny-v1.Q8_0.gguf"]
        let publish =
            ["publish", StoryTests.tiny(builds[0])] + builds.dropFirst().flatMap { ["--variant", StoryTests.tiny($0)] }
        // No processor has features of both architectures.
        let needs = ["\(builds[0]):cpu=amx,sme", "\(builds[1]):memory=400GiB", "\(builds[2]):engine=99.0.0"]
        try await site.martlet(
            publish + ["--as", "clinic/base:1.0.0"] + needs.flatMap { ["--needs", $0] }, expecting: 0)
        // The only device is skipped: nothing is left to decide, and nothing was achieved.
        let rollout = try await site.martlet(
            "rollout", "start", "clinic/base:1.0.0", "--selector", "", "--slot", "triage", "--wait", expecting: 1)
        #expect(rollout.errors.contains("moved no device: 1 skipped"), "\(rollout)")
        let history = try await site.martlet("devices", "reports", "box", "--output", "json").output
        for told in [rollout.output + rollout.errors, history] {
            #expect(told.contains("No variant of clinic/base:1.0.0 fits this device"), "\(told)")
            #expect(told.contains("Q4_0: the processor lacks "), "\(told)")
            #expect(told.contains("Q4_K_M: needs 400.0 GiB of memory, may take "), "\(told)")
            #expect(told.contains("Q8_0: needs llama.cpp 99.0.0, installed is "), "\(told)")
        }
        try await site.martlet(
            publish + ["--as", "clinic/base:1.0.1", "--needs", needs[1], "--needs", needs[2]], expecting: 0)
        try await site.martlet(
            "rollout", "start", "clinic/base:1.0.1", "--selector", "", "--slot", "triage", "--soak", "1s", "--wait")
        try await site.waitUntilServing("box", "triage", "clinic/base:1.0.1")
        let slip = try await site.martlet(
            publish + ["--as", "clinic/base:1.0.2", "--needs", "other.gguf:cpu=avx2"], expecting: 65)
        #expect(slip.errors.contains("other.gguf") && slip.errors.contains(builds[2]), "\(slip.errors)")
        #expect(try await device.process.stop() == 0)
        try await site.stopRegistry()
    }

    @Test("an engine that is installed while the agent runs is taken up without a restart")
    func laterEngine() async throws {
        let engine = try #require(Checkout.llamaServer, "llama-server is missing: `make test` obtains it")
        let site = try Site("later")
        try await site.startRegistry()
        try await site.initializeTrust()
        let place = site.folder.file("llama-server")
        let device = try await site.startDevice("box", extra: ["--llama-server", place])
        try await site.martlet("publish", StoryTests.tiny("tiny-v1.Q4_0.gguf"), "--as", "clinic/base:1.0.0")
        try await site.martlet("rollout", "start", "clinic/base:1.0.0", "--selector", "", "--slot", "triage")
        try await eventually(within: 60, "the device reports that the engine is missing") {
            try await site.martlet("devices", "reports", "box").output.contains("engine llama.cpp")
        }
        try FileManager.default.createSymbolicLink(atPath: place, withDestinationPath: engine)
        try await site.waitUntilServing("box", "triage", "clinic/base:1.0.0", within: 180)
        #expect(try await device.process.stop() == 0)
        try await site.stopRegistry()
    }

    @Test("a release with a pooling answers embeddings beside chats; nothing fails while it takes over")
    func embeddings() async throws {
        let site = try Site("embed")
        try await site.startRegistry()
        try await site.initializeTrust()
        let device = try await site.startDevice("box")
        let model = StoryTests.tiny("tiny-v1.Q4_0.gguf")
        try await site.martlet("publish", model, "--as", "clinic/base:1.0.0")
        try await site.martlet("publish", model, "--as", "clinic/base:1.1.0", "--pooling", "mean")
        func rollOut(_ version: String, _ options: String...) async throws {
            try await site.martlet(
                ["rollout", "start", "clinic/base:\(version)", "--selector", "", "--slot", "triage", "--soak", "1s"]
                    + options + ["--wait"], expecting: 0)
        }
        try await rollOut("1.0.0")
        let refused = try await embed(device.gateway)
        #expect(refused.status == 400 && refused.body.contains("embeddings_not_supported"), "\(refused)")

        let load = try site.startLoad([device.gateway], slot: "triage", eval: StoryTests.seen)
        try await rollOut("1.1.0")
        let answered = try await embed(device.gateway)
        #expect(answered.status == 200 && answered.body.contains("\"embedding\":["), "\(answered)")
        // The slot's own setting wins over a release that says nothing.
        try await rollOut("1.0.0", "--pooling", "last")
        let set = try await embed(device.gateway)
        #expect(set.status == 200 && set.body.contains("\"embedding\":["), "\(set)")
        let figures = try await load.stopAfter(requests: 5)
        #expect(figures.failed == 0, "\(figures.failures)")
        #expect(try await device.process.stop() == 0)
        try await site.stopRegistry()
    }

    private func embed(_ gateway: String) async throws -> (status: Int, body: String) {
        let result = try await run(
            "/usr/bin/curl",
            [
                "-s", "-w", "\n%{http_code}", "--max-time", "30", "-H", "Content-Type: application/json", "-d",
                #"{"model":"triage","input":"Where is my parcel?"}"#, gateway + "/v1/embeddings",
            ])
        let lines = result.output.split(separator: "\n").map(String.init)
        return (lines.last.flatMap { Int($0) } ?? 0, lines.dropLast().joined(separator: "\n"))
    }
}

import Foundation
import MartletAPI
import MartletTypes
import TestSupport
import Testing

@Suite("martlet-agent explain", .serialized)
struct ExplainTests {
    private func explain(_ device: Site.Device, _ arguments: String...) async throws -> Finished {
        try await run(Checkout.product("martlet-agent"), ["explain", "--data", device.data] + arguments)
    }

    private func expect(_ told: Finished, _ texts: String...) {
        #expect(told.status == 0, "\(told)")
        for text in texts { #expect(told.output.contains(text), "\(text) in \(told.output)") }
    }

    @Test("says why a slot runs what it runs, why another release does not, and what must be asked")
    func explains() async throws {
        try await Site.ready("why") { site in
            let served = try await site.startDevice("w1")
            let small = try await site.startDevice(
                "w2", labels: ["site=bonn"], settings: #", "diskBudgetBytes": 1048576"#)
            let none = try await explain(served)
            #expect(none.status == 0 && none.output == "No slot is assigned.\n")
            try await site.martlet("publish", StoryTests.tiny("tiny-v1.Q8_0.gguf"), "--as", "clinic/base:1.0.0")
            let other = StoryTests.tiny("tiny-v1.Q4_0.gguf")
            try await site.martlet("publish", other, "--as", "clinic/base:2.0.0")
            for place in ["berlin", "bonn"] {
                try await site.martlet(
                    "rollout", "start", "clinic/base:1.0.0", "--selector", "site=\(place)", "--slot", "t", "--soak",
                    "1s")
            }
            try await site.waitUntilServing("w1", "t", "clinic/base:1.0.0")
            try await eventually(within: 60, "what w1 serves has proved itself") {
                try await explain(served, "t").output.contains("It is what is wanted; installed at")
            }
            try await eventually(within: 120, "the small one says why not") {
                // Not while it tries once more.
                let told = try await explain(small).output
                return told.contains("why not  diskFull") && told.contains("raise diskBudgetBytes")
            }
            try await eventually(within: 60, "the registry knows it too") {
                try await site.device("w2").slots[SlotName("t")]?.code == "diskFull"
            }
            expect(
                try await explain(served, "t"), "serves   clinic/base:1.0.0", "It is what is wanted; installed at",
                "by rollout r-", "policy   clinic/*", "VARIANT", "chosen", "* serves now", "of memory")
            expect(
                try await explain(small), "serves   nothing", "wanted   clinic/base:1.0.0", "noVariantFits",
                "notEnoughDisk", "of disk, may take")
            // The same from afar, by what the devices reported.
            try await eventually(within: 60, "the registry has the devices' inventories") {
                let afar = try await site.martlet("devices", "explain", "w1", "clinic/base:1.0.0").output
                return ["release  clinic/base:1.0.0", "in slot t", "VARIANT", "chosen", "* runs on the device now"]
                    .allSatisfy { afar.contains($0) }
            }
            let lacking = try await site.martlet("devices", "explain", "w2", "clinic/base:1.0.0", "--output", "json")
            expect(lacking, "notEnoughDisk", "of disk, may take", "\"slot\"")
            try await site.martlet("devices", "explain", "w9", "clinic/base:1.0.0", expecting: 65)
            // A release that is not assigned: its metadata says that it is there, and no more is shown to the device.
            expect(try await explain(served, "clinic/base:2.0.0"), "indexNotReadable", "not assigned to it")
            expect(try await explain(served, "clinic/base:9.0.0"), "notPublished")
            let unknown = try await explain(served, "billing")
            #expect(unknown.status == 64 && unknown.errors.contains("Its slots: t."), "\(unknown)")
            try await site.stopRegistry()
            let offline = try await explain(served, "t", "--output", "json")
            #expect(offline.output.contains("\"chosen\"") && offline.output.contains("\"device\""), "\(offline)")
            expect(try await explain(served, "clinic/base:3.0.0"), "registryNeeded", "Ask again when")
            for device in [served, small] { #expect(try await device.process.stop() == 0) }
            try await site.startRegistry()
        }
    }
}

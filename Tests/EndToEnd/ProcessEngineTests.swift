import Foundation
import MartletAPI
import MartletTypes
import TestSupport
import Testing

/// A classic model behind a slot: an ONNX classifier, served by a program that the device's owner declared.
@Suite("Engines that the owner declares", .serialized)
struct ProcessEngineTests {
    static let evaluation = Checkout.fixture("models/vitals/vitals-eval-60.jsonl")

    /// A Python with ONNX Runtime; where this machine cannot have one the test ends with the reason.
    private func python() async throws -> String? {
        let made = try await run("/bin/bash", [Checkout.fixture("onnx/python-env.sh")])
        guard made.status == 0 else {
            try #require(!Installed.everything, "\(made.errors)")
            print("skipped: onnxruntime is not available: \(made.errors)")
            #if compiler(>=6.3)
                try Test.cancel("onnxruntime is not available: \(made.errors)")
            #else
                return nil
            #endif
        }
        return made.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// The member `engines` of a device's configuration.
    private func engines(_ python: String, connections: String = "closed") -> String {
        let server = Checkout.fixture("onnx/serve.py")
        return #", "engines": {"onnx-classifier": {"command": ["\#(python)", "\#(server)", "--model", "{model}", "#
            + #""--socket", "{socket}", "--threads", "{threads}"], "versionCommand": ["\#(python)", "\#(server)", "#
            + #""--model", "-", "--socket", "-", "--version"], "formats": ["onnx"], "ready": "/health", "#
            + #""memoryBytes": 100000000, "connections": "\#(connections)"}}"#
    }

    private func publish(
        _ site: Site, _ version: String, model: Int, accuracy: String, _ further: String...
    ) async throws {
        try await site.martlet(
            [
                "publish", Checkout.fixture("models/vitals/vitals-v\(model).onnx"), "--engine", "onnx-classifier",
                "--as", "clinic/vitals:\(version)", "--eval", Self.evaluation, "--min-accuracy", accuracy, "--probes",
                Checkout.fixture("models/vitals/vitals-probes.json"),
            ] + further, expecting: 0)
    }

    private func rollOut(_ site: Site, _ version: String, expecting status: Int32 = 0) async throws -> Finished {
        try await site.martlet(
            [
                "rollout", "start", "clinic/vitals:\(version)", "--selector", "", "--slot", "vitals", "--soak", "1s",
                "--wait",
            ], expecting: status)
    }

    /// Asks through the gateway: the status and the body.
    private func ask(_ gateway: String, _ path: String, _ body: String) async throws -> (status: Int, body: String) {
        let result = try await run(
            "/usr/bin/curl",
            [
                "-s", "-w", "\n%{http_code}", "--max-time", "30", "-H", "Content-Type: application/json", "-d", body,
                gateway + path,
            ])
        let lines = result.output.split(separator: "\n").map(String.init)
        return (lines.last.flatMap { Int($0) } ?? 0, lines.dropLast().joined(separator: "\n"))
    }

    @Test("an ONNX classifier is published, rolled out, swapped under load without a lost request, and rolled back")
    func classifier() async throws {
        guard let python = try await python() else { return }
        try await Site.ready("onnx") { site in
            let device = try await site.startDevice("box", settings: engines(python, connections: "kept"))
            try await publish(site, "1.0.0", model: 1, accuracy: "0.75")
            try await publish(site, "2.0.0", model: 2, accuracy: "0.9", "--engine-version", "1.2.0")
            _ = try await rollOut(site, "1.0.0")
            try await site.waitUntilServing("box", "vitals", "clinic/vitals:1.0.0")
            let features = #"{"features": [140, 40.1, 84, 190]}"#
            let first = try await ask(device.gateway, "/v1/slots/vitals/classify", features)
            #expect(first.status == 200 && first.body.contains(#""label": "red""#), "\(first)")
            #expect(first.body.contains(#""model": "1""#), "\(first)")

            let load = try site.startLoad([device.gateway], slot: "vitals", eval: Self.evaluation)
            _ = try await rollOut(site, "2.0.0")
            let second = try await ask(device.gateway, "/v1/slots/vitals/classify", features)
            #expect(second.body.contains(#""model": "2""#), "\(second)")
            try await site.martlet("rollback", "--device", "box", "--slot", "vitals")
            try await site.waitUntilServing("box", "vitals", "clinic/vitals:1.0.0")
            let back = try await ask(device.gateway, "/v1/slots/vitals/classify", features)
            #expect(back.body.contains(#""model": "1""#), "\(back)")
            let figures = try await load.stopAfter(requests: 5)
            #expect(figures.failed == 0, "\(figures.failures)")

            // What its own engine says of a request is passed on; what the gateway does not lead there, it says itself.
            let wrong = try await ask(device.gateway, "/v1/slots/vitals/classify", #"{"features": [1]}"#)
            #expect(wrong.status == 400 && wrong.body.contains("must be 4 numbers"), "\(wrong)")
            let chat = try await ask(
                device.gateway, "/v1/chat/completions", #"{"model": "vitals", "messages": []}"#)
            #expect(chat.status == 400 && chat.body.contains("slot_speaks_http"), "\(chat)")
            let engines = try await site.device("box").inventory?.engines ?? [:]
            #expect(engines["onnx-classifier"] == "1.2.0", "\(engines)")
            #expect(try await device.process.stop() == 0)
        }
    }

    @Test("a classifier under its accuracy, for a newer engine, or of a format that nobody declared, is not served")
    func refused() async throws {
        guard let python = try await python() else { return }
        try await Site.ready("onnxno") { site in
            let device = try await site.startDevice("box", settings: engines(python))
            try await publish(site, "2.0.0", model: 2, accuracy: "0.9")
            _ = try await rollOut(site, "2.0.0")
            // 48 of 60 rows are right.
            try await publish(site, "3.0.0", model: 1, accuracy: "0.9")
            // A device that failed is for a person to decide on.
            let poor = try await rollOut(site, "3.0.0", expecting: 75)
            #expect((poor.output + poor.errors).contains("48 of 60"), "\(poor)")
            try await publish(site, "3.1.0", model: 2, accuracy: "0.9", "--engine-version", "9.0.0")
            let old = try await rollOut(site, "3.1.0", expecting: 1)
            #expect((old.output + old.errors).contains("needs onnx-classifier 9.0.0, installed is 1.2.0"), "\(old)")
            try await publish(site, "3.2.0", model: 2, accuracy: "0.9", "--format", "tflite")
            let strange = try await rollOut(site, "3.2.0", expecting: 1)
            #expect((strange.output + strange.errors).contains("of the format tflite"), "\(strange)")
            try await site.waitUntilServing("box", "vitals", "clinic/vitals:2.0.0")
            let none = try await site.martlet(
                [
                    "publish", Checkout.fixture("models/vitals/vitals-v1.onnx"), "--as", "clinic/vitals:4.0.0",
                    "--format", "onnx",
                ], expecting: 65)
            #expect(none.errors.contains("llama.cpp takes no model of the format onnx"), "\(none.errors)")
            #expect(try await device.process.stop() == 0)
        }
    }
}

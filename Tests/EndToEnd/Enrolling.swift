import Foundation
import MartletTypes
import TestSupport

extension Site {
    /// Makes a join token and writes it to a file, whose path is returned.
    func joinFile(_ arguments: String...) async throws -> String {
        let token = try await martlet(["token", "join"] + arguments, expecting: 0).output
        let file = folder.file("join-\(UInt32.random(in: 0...UInt32.max))")
        try token.write(toFile: file, atomically: true, encoding: .utf8)
        return file
    }

    /// Runs `martlet-agent enrol`, which may fail.
    func enrol(
        _ name: String, join: String, data: String? = nil, labels: [String] = ["site=berlin"]
    ) async throws -> Finished {
        let configuration = folder.file(name + ".agent.json")
        try #"{"policy": {"otherSlots": ["clinic/*"]}, "telemetrySeconds": 2}"#.write(
            toFile: configuration, atomically: true, encoding: .utf8)
        return try await run(
            Checkout.product("martlet-agent"),
            [
                "enrol", "--join-file", join, "--name", name, "--data", data ?? folder.file("devices/" + name),
                "--config", configuration,
            ] + labels.flatMap { ["--label", $0] })
    }
}

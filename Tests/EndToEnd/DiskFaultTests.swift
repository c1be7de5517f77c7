import Foundation
import Glibc
import MartletTypes
import TestSupport
import Testing

/// The real agent on a disk that is full, gives errors, or loses power again and again.
@Suite("A device with a bad disk", .serialized)
struct DiskFaultTests {
    private static let scale = ProcessInfo.processInfo.environment["MARTLET_SCALE"].flatMap(Int.init) ?? 1

    @Test("whose every write may fail for want of room serves what it serves, and installs when there is room again")
    func full() async throws {
        #expect(Checkout.llamaServer != nil, "llama-server is missing; `make test` obtains it")
        let scene = try await KillScene.start("df")
        let before = scene.disk[.growths]
        try await scene.assign()
        try await scene.settle()
        let growths = scene.disk[.growths] - before
        // One write, then all from there on for a while, at points spread over an installation.
        let points = Self.scale > 1 ? growths : 6
        for (count, errno) in [(Int64(1), ENOSPC), (Int64.max / 4, ENOSPC), (1, EIO)] {
            for point in 0..<points {
                let what = "\(count == 1 ? "one" : "all") from write \(point * growths / points) on, \(errno)"
                let met = scene.disk[.met]
                scene.disk.fail(errno, after: point * growths / points, count: count)
                try await scene.assign()
                // An installation takes about as many writes as the first did; what the idle agent keeps of its
                // measurements comes to the last of them.
                try await eventually(within: 60, "a write fails: \(what)") { scene.disk[.met] > met }
                #expect(
                    try await Chat.ask(scene.device.gateway, model: KillScene.slot, "hello") == 200,
                    "\(what)\n\(scene.device.process.lastWords)")
                #expect(scene.device.process.isRunning, "\(what)")
                scene.disk.mend()
                try await scene.settle()
            }
        }
        print("\(scene.disk[.met]) writes failed at \(points) points of \(growths) each")
        try await scene.end()
    }

    @Test("that gives errors on reading serves on, and installs when it can be read again")
    func reading() async throws {
        #expect(Checkout.llamaServer != nil, "llama-server is missing; `make test` obtains it")
        let scene = try await KillScene.start("dr")
        let before = scene.disk[.reads]
        try await scene.assign()
        try await scene.settle()
        // What an installation reads of the agent's files, here.
        let reads = scene.disk[.reads] - before
        let points = min(reads, Self.scale > 1 ? 40 : 4)
        try #require(points > 0, "an installation reads")
        for point in 0..<points {
            let met = scene.disk[.met]
            scene.disk[.badCount] = 3
            scene.disk[.badFrom] = scene.disk[.reads] + 1 + point * reads / points
            try await scene.assign()
            try await eventually(within: 60, "read \(point * reads / points) of \(reads) fails") {
                scene.disk[.met] > met
            }
            #expect(scene.device.process.isRunning, "\(scene.device.process.lastWords)")
            #expect(try await Chat.ask(scene.device.gateway, model: KillScene.slot, "hello") == 200)
            scene.disk.mend()
            try await scene.settle()
        }
        print("\(scene.disk[.met]) reads failed at \(points) points of \(reads)")
        try await scene.end()
    }

    @Test("whose power is cut again and again serves after each start, tries no candidate in the loop, and recovers")
    func powerCycles() async throws {
        #expect(Checkout.llamaServer != nil, "llama-server is missing; `make test` obtains it")
        let scene = try await KillScene.start("dp")
        let cycles = Self.scale > 1 ? 100 : 8
        var random = SeededGenerator(seed: 7)
        let old = scene.serving
        for number in 1...cycles {
            // In the middle of the loop something new is assigned: it has to wait.
            if number == 7 { try await scene.assign() }
            scene.disk[.keepSome] = Int64(number % 2)
            scene.disk[.seed] = Int64(number)
            try await Task.sleep(for: .milliseconds(Int.random(in: 0...400, using: &random)))
            scene.disk.cut()
            #expect(try await scene.awaitCut(), "cycle \(number)")
            try await scene.comeBack("cycle \(number)")
            if number >= 7 {
                #expect(try scene.folder.slots().first?.current == KillScene.path(old), "cycle \(number)")
            }
        }
        let status = try await run(Checkout.product("martlet-agent"), ["status", "--data", scene.device.data])
        #expect(status.output.contains("agentRestarts"), "\(status)")
        // A stop that somebody asked for ends the loop, as five quiet minutes do.
        try await scene.restartOrderly()
        try await scene.settle()
        try await scene.end()
        print("\(cycles) power cuts in a row")
    }
}

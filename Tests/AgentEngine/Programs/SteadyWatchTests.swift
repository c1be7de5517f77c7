import AgentEngine
import Foundation
import Logging
import MartletTypes
import ServiceLifecycle
import Synchronization
import TestSupport
import Testing

@Suite("A program that runs for a while")
struct SteadyWatchTests {
    private let scratch: TemporaryFolder
    private let folder: ProgramFolder
    private let program = Digest.of([1])

    init() throws {
        scratch = try TemporaryFolder("steady")
        folder = ProgramFolder(data: scratch.path)
        try FileManager.default.createDirectory(atPath: scratch.file("agent"), withIntermediateDirectories: true)
        try folder.count(ProgramStarts(program: program).another(in: "a"))
    }

    private func group(calm: Duration, isAlive: @escaping @Sendable () async -> Void = {}) -> ServiceGroup {
        let logger = Logger.silent
        let watch = SteadyWatch(folder: folder, program: program, calm: calm, logger: logger, isAlive: isAlive)
        return ServiceGroup(
            configuration: ServiceGroupConfiguration(services: [.init(service: watch)], logger: logger))
    }

    @Test("has its starts forgotten, by itself where it answers, and when it is asked to stop")
    func forgotten() async throws {
        for calm in [Duration.milliseconds(20), .seconds(3600)] {
            try folder.count(ProgramStarts(program: program).another(in: "a"))
            let group = group(calm: calm)
            let running = Task { try await group.run() }
            if calm < .seconds(1) {
                try await eventually(within: 30, "they are forgotten") { folder.record.starts == nil }
            }
            await group.triggerGracefulShutdown()
            try await running.value
            #expect(folder.record.starts == nil)
        }
    }

    @Test("keeps them where it is stuck, and where it ends by a fault")
    func kept() async throws {
        let asked = Mutex(false)
        let group = group(calm: .milliseconds(1)) {
            asked.withLock { $0 = true }
            while !Task.isCancelled { await Task.yield() }
        }
        let running = Task { try await group.run() }
        try await eventually(within: 30, "it is asked") { asked.withLock { $0 } }
        #expect(folder.record.starts != nil)
        running.cancel()
        _ = await running.result
        #expect(folder.record.starts != nil)
    }
}

import AgentEngine
import AgentStore
import Foundation
import MartletAPI
import MartletTypes
import ModelRuntime
import Synchronization
import TestSupport
import Testing

@Suite("Scrubbing")
struct BlobScrubTests {
    @Test(
        "A blob that rots on the device is found, by itself or when asked for, put aside, reported and fetched again",
        arguments: [false, true])
    func mends(isAsked: Bool) async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let installer = device.installer()
        var slot = SlotRecord(slot: device.slot)
        let plan = try await installer.plan(device.target(release), record: slot)
        _ = try await installer.fetch(plan)
        slot.current = try await installer.stage(plan).record
        slot.phase = .committed
        try await device.store.journal.save(slot, transition: nil)
        let digest = try #require(slot.current?.files.first?.digest)
        let path = device.store.blobs.path(of: digest)
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        bytes[bytes.count / 2] ^= 1
        try FileManager.default.removeItem(atPath: path)
        try bytes.write(to: URL(fileURLWithPath: path))
        let scrub = BlobScrub(
            store: device.store, installer: installer, clock: device.clock,
            interval: isAsked ? .seconds(3600) : .milliseconds(1),
            logger: .silent)
        let task = Task { try await scrub.run() }
        if isAsked {
            let round = try await scrub.askRound()
            #expect(round.files == slot.current?.files.count)
            #expect(round.bytes.bytes == slot.current?.files.reduce(0) { $0 + $1.size.bytes })
        }
        let end = ContinuousClock.now + .seconds(30)
        while try await !device.reports().contains(where: { $0.code == "blobMended" }), ContinuousClock.now < end {
            try await Task.sleep(for: .milliseconds(10))
        }
        task.cancel()
        _ = await task.result
        #expect(try await device.reports().map(\.code) == ["blobRotten", "blobMended"])
        #expect(try await device.store.blobs.scrub(digest))
        await device.close()
    }

    @Test("Heat holds it in the middle of a file, but not where a slot does not serve")
    func givesWay() async throws {
        let device = try await DeviceFixture()
        let bytes = [UInt8](repeating: 7, count: 20 * 1024 * 1024)
        let digest = Digest.of(bytes)
        try await device.store.blobs.put(bytes, as: digest)
        var large = bytes
        large[0] = 8
        try FileManager.default.removeItem(atPath: device.store.blobs.path(of: digest))
        try Data(large).write(to: URL(fileURLWithPath: device.store.blobs.path(of: digest)))
        var record = try SlotFixtures.generation(1, "1.0.0", 1)
        record.files = [
            GenerationFile(role: .weights, name: "model.gguf", digest: digest, size: ByteCount(bytes.count))
        ]
        var slot = SlotRecord(slot: device.slot)
        slot.current = record
        slot.phase = .committed
        try await device.store.journal.save(slot, transition: nil)
        let state = Mutex((looks: 0, pauses: 0))
        var installer = device.installer()
        // It becomes hot after the first piece, and stays so.
        installer.gate = BackgroundGate(
            isHot: {
                state.withLock {
                    $0.looks += 1
                    return $0.looks > 1
                }
            },
            pause: { _ in
                state.withLock { $0.pauses += 1 }
                try? await Task.sleep(for: .milliseconds(1))
            })
        let orders = RepairOrders()
        let scrub = BlobScrub(
            store: device.store, installer: installer, clock: device.clock, interval: .milliseconds(1), orders: orders,
            logger: AgentLog.silent)
        let task = Task { try await scrub.run() }
        let end = ContinuousClock.now + .seconds(60)
        while state.withLock({ $0.pauses }) < 5, ContinuousClock.now < end {
            try await Task.sleep(for: .milliseconds(5))
        }
        #expect(state.withLock { $0.pauses } >= 5)
        #expect(try await device.reports().isEmpty, "it waits with two thirds of the file to go")
        task.cancel()
        _ = await task.result
        #expect(try await device.reports().isEmpty && device.store.blobs.has(digest))
        orders.suspect(record)
        let urgent = Task { try await scrub.run() }
        while try await device.reports().isEmpty, ContinuousClock.now < end {
            try await Task.sleep(for: .milliseconds(5))
        }
        #expect(try await device.reports().map(\.code) == ["blobRotten"])
        urgent.cancel()
        _ = await urgent.result
        await device.close()
    }

    @Test("An unpacked engine that rots is unpacked anew from its archive, which is scrubbed as weights are")
    func engine() async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        var installer = device.installer()
        let trees = EngineTrees(store: device.store) { archive, folder, limit in
            let words = EngineTrees.unpackHere(archive, folder, limit: limit)
            guard words == EngineTrees.done else { throw NeverTrue(description: words) }
        }
        installer.trees = trees
        var slot = SlotRecord(slot: device.slot)
        let plan = try await installer.plan(device.target(release), record: slot)
        _ = try await installer.fetch(plan)
        var record = try await installer.stage(plan).record
        let build = try await EngineTreesTests.build(device.folder, device.store)
        record.build = build
        slot.current = record
        slot.phase = .committed
        try await device.store.journal.save(slot, transition: nil)
        let program = try await trees.program(of: build)
        let bytes = try #require(FileManager.default.contents(atPath: program))
        try Data("rot".utf8).write(to: URL(fileURLWithPath: program))
        let scrub = BlobScrub(
            store: device.store, installer: installer, clock: device.clock, interval: .milliseconds(1),
            logger: AgentLog.silent)
        let task = Task { try await scrub.run() }
        func mended() async throws -> [DeviceReport] {
            try await device.reports().filter { $0.message?.contains(build.archive.text) == true }
        }
        let end = ContinuousClock.now + .seconds(30)
        while try await mended().count < 2, ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(10)) }
        #expect(try await mended().map(\.code) == ["blobRotten", "blobMended"])
        #expect(FileManager.default.contents(atPath: program) == bytes)
        // The archive itself, which this registry does not have: it is put aside and told of.
        try FileManager.default.removeItem(atPath: device.store.blobs.path(of: build.archive))
        while try await mended().count < 3, ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(10)) }
        #expect(try await mended().last?.code == "blobRotten")
        task.cancel()
        _ = await task.result
        await device.close()
    }

    @Test("A registry whose copy is damaged too is not asked for it again and again", .timeLimit(.minutes(2)))
    func hopeless() async throws {
        var debts = MendDebts()
        let record = try SlotFixtures.generation(1, "1.0.0", 1)
        let file = GenerationFile(role: .weights, name: "model.gguf", digest: .of([1]), size: ByteCount(1 << 32))
        for isOfContent in [true, false] {
            var now = ContinuousClock.now
            let end = now + .seconds(7 * 86_400)
            var tries = 0
            while now < end {
                debts.owe(BlobScrub.File(record: record, file: file), isOfContent: isOfContent, now: now)
                tries += 1
                #expect(debts.due(now) == nil)
                now = now + debts.wait(upTo: .seconds(365 * 86_400), now: now)
                #expect(debts.due(now)?.file == file)
            }
            // In a week: the damaged copy about once a day, a registry that does not answer about once an hour.
            #expect(tries <= (isOfContent ? 10 : 7 * 24 + 12), "\(tries)")
            debts.paid(file.digest)
        }
        #expect(!debts.holds(file.digest))
    }

    @Test("What rots below a serving engine is mended, and the engine starts anew on it, without a request that fails")
    func renews() async throws {
        let device = try await DeviceFixture(withEngine: true)
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        let agent = device.agent()
        let orders = RepairOrders()
        orders.onMended { await agent.renew($0) }
        let scrub = BlobScrub(
            store: device.store, installer: device.installer(), clock: device.clock, interval: .seconds(3600),
            orders: orders, logger: .silent)
        let tasks = [
            Task { try await agent.run() }, Task { try await scrub.run() }, Task { try await device.gateway.run() },
        ]
        await agent.apply(device.assignment(number: 1, release))
        let record = try await device.eventually("1.0.0 is committed") { $0.phase == .committed }
        let current = try #require(record.current)
        let port = try await device.gateway.boundPort
        let before = try EngineProcesses.pids(of: device)
        let digest = try #require(current.files.first?.digest)
        let path = device.store.blobs.path(of: digest)
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        bytes[bytes.count / 2] ^= 1
        try bytes.write(to: URL(fileURLWithPath: path + ".rotten"))
        #expect(rename(path + ".rotten", path) == 0)
        orders.suspect(current)
        var answers: Set<String> = []
        let end = ContinuousClock.now + .seconds(60)
        while try EngineProcesses.pids(of: device) == before, ContinuousClock.now < end {
            answers.insert(try await Self.ask(port))
        }
        for _ in 0..<3 { answers.insert(try await Self.ask(port)) }
        #expect(answers == ["200"], "requests wait while the engine starts anew")
        #expect(try await device.reports().map(\.code).contains("blobMended"))
        #expect(try EngineProcesses.pids(of: device) != before)
        #expect(try await device.store.blobs.scrub(digest))
        for task in tasks {
            task.cancel()
            _ = await task.result
        }
        await device.close()
    }

    private static func ask(_ port: Int) async throws -> String {
        try await run(
            "/usr/bin/curl",
            [
                "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "60", "-H",
                "Content-Type: application/json", "-d",
                #"{"model":"triage","max_tokens":4,"messages":[{"role":"user","content":"hello"}]}"#,
                "http://127.0.0.1:\(port)/v1/chat/completions",
            ]
        ).output
    }
}

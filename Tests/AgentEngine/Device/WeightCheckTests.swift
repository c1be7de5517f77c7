import AgentStore
import Foundation
import MartletTypes
import ModelRuntime
import Synchronization
import TestSupport
import Testing

@testable import AgentEngine

@Suite("The check of weights")
struct WeightCheckTests {
    private static let model = Checkout.fixture("models/tiny/tiny-v1.Q8_0.gguf")

    /// A check by a program that stands in the reader's place, with the failure that comes of it.
    private func failure(
        _ script: String, mode: Confinement.Mode = .available, seconds: Int = 60
    ) async throws -> SlotFailure? {
        let folder = try TemporaryFolder("reader")
        let program = folder.file("reader")
        try script.write(toFile: program, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program)
        let check = WeightCheck(confinement: Confinement(mode: mode), program: program, seconds: seconds)
        do {
            _ = try await check.facts(of: [Self.model])
            return nil
        } catch {
            return error as? SlotFailure
        }
    }

    @Test(
        "a reader that does not come through refuses the release, and says how",
        arguments: [
            ("exit 3", "status 3"), ("kill -SEGV $$", "signal 11"), ("exec cat /dev/zero", "more than"),
            ("exit 0", "no answer"),
            ("echo '{'", "no answer"), ("echo '{}'", "no answer"),
            (#"echo '{"facts":{"architecture":"llama","tensorBytes":-1}}'"#, "no answer"),
            (#"echo '{"facts":{"architecture":"llama"}}'"#, "no answer"),
            (#"echo '{"refusal":{"code":"allIsWell","message":""}}'"#, "no answer"),
            (
                #"echo '{"facts":{"architecture":"a","tensorBytes":1},"refusal":{"code":"badMagic","message":""}}'"#,
                "no answer"
            ),
            // Beyond its memory it fails by itself.
            ("exec python3 -c 'bytearray(1 << 30)'", "status 1"),
        ])
    func broken(script: String, says: String) async throws {
        let found = try #require(try await failure("#!/bin/sh\n\(script)\n"))
        #expect(found.kind == .final && found.code == "weightCheckFailed" && found.message.contains(says), "\(found)")
    }

    @Test(
        "a reader that the box may have hindered is tried again after minutes, and given up after three in a row",
        arguments: [("kill -KILL $$", "memory is short", 60), ("exec sleep 1000", "after 1 seconds", 1)])
    func hindered(script: String, says: String, seconds: Int) async throws {
        let found = try #require(try await failure("#!/bin/sh\n\(script)\n", seconds: seconds))
        #expect(found.kind == .refused && found.code == "weightCheckFailed" && found.message.contains(says), "\(found)")
        var machine = try SlotFixtures.committed()
        var now = SlotFixtures.start
        _ = machine.handle(.assigned(try SlotFixtures.target("2.0.0", generation: 2)), now: now)
        for count in 1...3 {
            _ = machine.handle(.planned(blobs: [], missing: .zero, installed: false), now: now)
            _ = machine.handle(.verified, now: now)
            #expect(machine.record.phase == .checking)
            let step = machine.handle(.failed(found), now: now)
            // A rollout stops for what is told as failed.
            #expect(step.reports.map(\.state) == (count == 1 ? [.verifying] : count == 3 ? [.failed] : []))
            if count == 3 {
                #expect(machine.record.phase == .failed && step.reports.last?.message?.contains("3 tries") == true)
            } else {
                let again = try #require(machine.record.retryAt)
                #expect(machine.record.phase == .waiting && again >= now + .seconds(300))
                now = again
                _ = machine.handle(.woke, now: now)
            }
        }
        #expect(machine.record.current?.id == GenerationID(1))
    }

    /// A device with a release whose weights were on its disk before, and are of other bytes or not.
    @Test(
        "weights that rotted on the disk are fetched again, where they would refuse a good release",
        arguments: [true, false])
    func rotten(isRotten: Bool) async throws {
        let device = try await DeviceFixture()
        let release = try device.registry.publish(TestRelease("clinic/triage/1.0.0"))
        try await device.trust.refresh()
        let model = try FakeRegistry.digest(of: "tiny/tiny-v1.Q8_0.gguf")
        let told = Mutex<[Digest]>([])
        var installer = device.installer()
        installer.rotten = { digest, _ in told.withLock { $0.append(digest) } }
        let first = try await installer.plan(device.target(release), record: SlotRecord(slot: device.slot))
        _ = try await installer.fetch(first)
        let path = device.store.blobs.path(of: model)
        if isRotten {
            // As many bytes, and the head is none.
            var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
            bytes.replaceSubrange(0..<4, with: Data("none".utf8))
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
            try bytes.write(to: URL(fileURLWithPath: path))
        }
        let plan = try await installer.plan(device.target(release), record: SlotRecord(slot: device.slot))
        #expect(plan.missing == .zero)
        guard isRotten else {
            try await installer.check(plan)
            return await device.close()
        }
        // What came just now was hashed as it came: the release is to blame.
        await #expect { try await installer.check(first) } throws: {
            ($0 as? SlotFailure)?.kind == .final && ($0 as? SlotFailure)?.code == "malformedWeights"
        }
        await #expect { try await installer.check(plan) } throws: {
            ($0 as? SlotFailure)?.kind == .transport && ($0 as? SlotFailure)?.code == "blobRotten"
        }
        #expect(told.withLock { $0 } == [model] && !device.store.blobs.has(model))
        let again = try await installer.plan(device.target(release), record: SlotRecord(slot: device.slot))
        #expect(try await installer.fetch(again) > .zero)
        try await installer.check(again)
        await device.close()
    }

    @Test("what a reader says of a sound file is taken, its words of a malformed one are cut and made printable")
    func words() async throws {
        let sound = WeightCheck.checkHere([Self.model])
        let facts = try WeightCheck.facts(of: .text(sound), seconds: 1)
        #expect(facts.architecture == "llama" && facts.tensorBytes > .zero)
        #expect(sound.utf8.count < 200)
        let long = String(repeating: "\u{1b}[31m\u{202e}", count: 400)
        let said = String(decoding: try JSONEncoder().encode(["code": "badMagic", "message": long]), as: UTF8.self)
        let error = #expect(throws: SlotFailure.self) {
            try WeightCheck.facts(of: .text(#"{"refusal":\#(said)}"#), seconds: 1)
        }
        let failure = try #require(error)
        #expect(failure.code == "malformedWeights" && failure.message.hasSuffix("[badMagic]"))
        #expect(failure.message.unicodeScalars.count < 500)
        #expect(!failure.message.contains("\u{1b}") && !failure.message.contains("\u{202e}"))
    }

    @Test("a file that cannot be opened is an answer too, and so is an architecture without end")
    func unreadable() async throws {
        let folder = try TemporaryFolder("weights")
        let file = folder.file("w")
        let name = String(repeating: "a", count: 5000)
        func number<N: FixedWidthInteger>(_ n: N) -> Data { withUnsafeBytes(of: n.littleEndian) { Data($0) } }
        func text(_ text: String) -> Data { number(UInt64(text.utf8.count)) + Data(text.utf8) }
        let head = Data("GGUF".utf8) + number(UInt32(3)) + number(UInt64(0)) + number(UInt64(1))
        let entry = text("general.architecture") + number(UInt32(8)) + text(name)
        try (head + entry).write(to: URL(fileURLWithPath: file))
        for (path, code) in [(folder.file("none"), "unreadable"), (folder.path, "unreadable"), (file, "tooLong")] {
            let answer = WeightCheck.checkHere([path])
            #expect(answer.contains(code) && answer.utf8.count < 1000, "\(answer)")
        }
    }

    @Test("the reader runs confined: no other file, no network, no powers, a bound on its memory")
    func confined() async throws {
        // What it finds it says in the words of a refusal.
        let script = """
            #!/usr/bin/python3
            import json, re, resource, socket, sys
            status = open('/proc/self/status').read()
            def tried(what):
                try: what()
                except OSError as error: return error.errno
                return 'done'
            found = [
                re.search(r'Seccomp:\\t(\\d)', status).group(1), re.search(r'NoNewPrivs:\\t(\\d)', status).group(1),
                '%x' % (int(re.search(r'CapEff:\\t(\\w+)', status).group(1), 16) & ~2),
                tried(lambda: socket.socket(socket.AF_INET)), tried(lambda: open('/etc/passwd')),
                tried(lambda: open(sys.argv[2], 'ab')), tried(lambda: open('\(Checkout.root)/Package.swift')),
                open(sys.argv[2], 'rb').read(4).decode(), sys.argv[1],
                resource.getrlimit(resource.RLIMIT_DATA)[0] >> 20,
                open('/proc/self/oom_score_adj').read().strip(),
            ]
            print(json.dumps({'refusal': {'code': 'badMagic', 'message': ' '.join(str(one) for one in found)}}))
            """
        let found = try #require(try await failure(script, mode: .required))
        #expect(found.message == "2 1 0 97 13 13 13 GGUF check-weights 512 500 [badMagic]", "\(found.message)")
        // Where the owner wants no confinement, there is none, as for engines.
        let free = try #require(try await failure(script, mode: .off))
        #expect(free.message.hasPrefix("0 1 "), "\(free.message)")
    }
}

import AgentEngine
import AgentStore
import Foundation
import MartletAPI
import MartletTypes
import Synchronization
import TestSupport
import Testing
import Trust

@Suite("What a person orders to enrol")
struct EnrolmentOrderTests {
    private let folder: TemporaryFolder
    private let authority: FakeAuthority

    init() throws {
        folder = try TemporaryFolder()
        authority = try FakeAuthority()
    }

    private func write(_ text: String, _ name: String) throws -> String {
        try Data(text.utf8).write(to: URL(fileURLWithPath: folder.file(name)))
        return folder.file(name)
    }

    private func order(_ change: (inout EnrolmentOrder) throws -> Void = { _ in }) throws -> EnrolmentOrder {
        var order = EnrolmentOrder(
            join: try authority.token().text(), joinFile: nil, name: "ward-1", labels: [],
            data: folder.file("devices/ward-1"), config: nil, force: false)
        try change(&order)
        return order
    }

    private func carryOut(_ order: EnrolmentOrder) async throws -> EnrolmentOrder.Outcome {
        try await order.carryOut(peer: authority, clock: { FakeAuthority.now })
    }

    @Test("the folder and its parents are made, the configuration is kept, labels of the flags win")
    func whole() async throws {
        let token = try authority.token().text()
        let outcome = try await carryOut(
            try order {
                $0.join = nil
                $0.joinFile = try write("  \(token)\n", "join")
                $0.labels = ["site=paris", "empty="]
                $0.config = try write(
                    #"{"policy": {"otherSlots": ["clinic/*"]}, "labels": {"site": "berlin", "tier": "lab"}}"#, "c.json")
            })
        #expect(outcome.warning == nil)
        #expect(outcome.device.text == "ward-1")
        let labels = authority.seen.withLock { $0.enrolments.first?.labels.values }
        #expect(labels == ["site": "paris", "tier": "lab", "empty": ""])
        let kept = try AgentConfiguration.load(data: folder.file("devices/ward-1"), options: AgentOptions())
        #expect(kept.policy.otherSlots == ["clinic/*"])
    }

    @Test("the same box enrolled again keeps its labels where none are said")
    func labels() async throws {
        _ = try await carryOut(try order { $0.labels = ["site=berlin"] })
        _ = try await carryOut(try order { $0.force = true })
        _ = try await carryOut(
            try order {
                $0.force = true
                $0.labels = ["tier=lab"]
            })
        let labels = authority.seen.withLock { $0.enrolments.map(\.labels.values) }
        #expect(labels == [["site": "berlin"], ["site": "berlin"], ["tier": "lab"]])
    }

    @Test("a device without a policy is told that it will run nothing")
    func noPolicy() async throws {
        let outcome = try await carryOut(try order())
        #expect(outcome.warning?.contains("policy") == true)
    }

    @Test("wrong orders are refused by name before anything is made")
    func wrong() async throws {
        let secret = "martlet-join.v1.c2VjcmV0"
        let cases: [(String, EnrolmentOrder)] = [
            ("device name", try order { $0.name = "Ward 1" }), ("join token", try order { $0.join = secret }),
            ("join token", try order { $0.join = nil }),
            ("join token", try order { $0.joinFile = try write("x", "x") }),
            ("label", try order { $0.labels = ["site"] }), ("label", try order { $0.labels = ["a=1", "a=2"] }),
            ("label", try order { $0.labels = ["-=1"] }),
            ("missing.join", try order { ($0.join, $0.joinFile) = (nil, folder.file("missing.join")) }),
            ("missing.json", try order { $0.config = folder.file("missing.json") }),
            ("threads", try order { $0.config = try write(#"{"engine": {"threads": 0}}"#, "bad.json") }),
        ]
        for (named, order) in cases {
            do {
                _ = try await carryOut(order)
                Issue.record("enrolled in spite of \(named)")
            } catch let error as any MartletError {
                #expect(error.description.contains(named), "\(error)")
                #expect(!error.description.contains("c2VjcmV0"))
            }
        }
        #expect(!FileManager.default.fileExists(atPath: folder.file("devices")))
        #expect(authority.seen.withLock { $0.enrolments.isEmpty })
    }

    @Test("a folder that an agent has open is left alone")
    func busy() async throws {
        let data = folder.file("busy")
        let store = try await AgentStore.open(root: data)
        let order = try order { $0.data = data }
        let code = await thrownCode { _ = try await carryOut(order) }
        #expect(code == "alreadyRunning")
        await store.close()
    }

    @Test("with force, the former configuration stays until the registry has agreed")
    func force() async throws {
        let first = try write(#"{"policy": {"otherSlots": ["clinic/*"]}}"#, "first.json")
        let second = try write(#"{"policy": {"otherSlots": ["lab/*"]}}"#, "second.json")
        _ = try await carryOut(try order { $0.config = first })
        let data = folder.file("devices/ward-1")
        func policy() throws -> [String] {
            try AgentConfiguration.load(data: data, options: AgentOptions()).policy.otherSlots
        }
        let forced = try order {
            $0.config = second
            $0.force = true
        }
        authority.behaviour.withLock { $0.certifiedName = "other" }
        #expect(await thrownCode { _ = try await carryOut(forced) } == "badAnswer")
        #expect(try policy() == ["clinic/*"])
        authority.behaviour.withLock { $0.certifiedName = nil }
        _ = try await carryOut(forced)
        #expect(try policy() == ["lab/*"])
    }
}

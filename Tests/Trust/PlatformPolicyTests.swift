import MartletTypes
import Testing
import Trust

@Suite("Local policy of engines and agents")
struct PlatformPolicyTests {
    private func policy(engine: String?, agent: String?) -> LocalPolicy {
        LocalPolicy(otherSlots: ["clinic/*"], engineNamespace: engine, agentNamespace: agent)
    }

    private func refusal(_ policy: LocalPolicy, _ kind: ReleaseKind, _ repository: String) throws -> String? {
        policy.refusal(of: kind, try RepositoryName(repository), in: try SlotName("triage"))
    }

    @Test("engines and agents come from the namespace that the owner named for them, and from nowhere else")
    func namespaces() throws {
        let both = policy(engine: "platform", agent: "base")
        #expect(try refusal(both, .engine, "platform/llama.cpp") == nil)
        #expect(try refusal(both, .agent, "base/martlet-agent") == nil)
        #expect(try refusal(both, .engine, "base/llama.cpp") != nil)
        #expect(try refusal(both, .agent, "platform/martlet-agent") != nil)
        // A slot's patterns say nothing of engines.
        #expect(try refusal(both, .engine, "clinic/llama.cpp")?.contains("the namespace platform") == true)
        let none = policy(engine: nil, agent: nil)
        #expect(try refusal(none, .engine, "platform/llama.cpp")?.contains("nowhere") == true)
        #expect(try refusal(none, .agent, "platform/martlet-agent")?.contains("nowhere") == true)
    }

    @Test("a namespace of engines lets no model into a slot")
    func models() throws {
        let owner = policy(engine: "platform", agent: nil)
        #expect(try refusal(owner, .model, "platform/llama.cpp")?.contains("clinic/*") == true)
        #expect(try refusal(owner, .adapter, "platform/x") != nil)
        #expect(try refusal(owner, .model, "clinic/triage") == nil)
        let release = AssignedRelease(
            path: try ReleasePath("platform/llama.cpp/1.0.0"), indexDigest: .of([1]), length: 1)
        let assignment = SlotAssignment(releases: [release], generation: 1)
        // Of which kind it is, only its index tells.
        #expect(owner.refusal(of: assignment, in: try SlotName("triage")) == nil)
        #expect(policy(engine: nil, agent: nil).refusal(of: assignment, in: try SlotName("triage")) != nil)
    }
}

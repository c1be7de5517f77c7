import AgentEngine
import AgentStore
import Foundation
import MartletTypes
import ModelRuntime
import TestSupport
import Testing
import Trust

@Suite("The agent's configuration file")
struct ConfigurationFileTests {
    private func parse(_ text: String) throws -> AgentConfiguration {
        try AgentConfiguration(parsing: Array(text.utf8))
    }

    @Test("an empty object is the defaults, which allow nothing and listen on loopback")
    func defaults() throws {
        let configuration = try parse("{}")
        #expect(configuration.allowsNothing)
        #expect(configuration.policy == LocalPolicy())
        #expect(configuration.gateway.host == "127.0.0.1")
        #expect(configuration.gateway.port == 8080)
        #expect(configuration.gateway.apiKeys.isEmpty)
        #expect(configuration.telemetryInterval == .seconds(60))
        #expect(configuration.disk == DiskBudget())
        #expect(configuration.bandwidth == nil)
        #expect(configuration.engine.llamaServer == nil)
        #expect(configuration.engine.confinement.mode == .available)
    }

    @Test("how slots share the box is read, within bounds")
    func slots() throws {
        let slots = try parse(
            #"{"slots": {"memoryBudgetBytes": 1073741824, "idleSeconds": 60, "minResidenceSeconds": 3}}"#
        ).slots
        #expect(slots.memoryBudget == .mebibytes(1024))
        #expect(slots.idleTime == .seconds(60) && slots.minResidence == .seconds(3))
        #expect(try parse("{}").slots == SlotSharing())
        #expect(try parse(#"{"slots": {"idleSeconds": 0}}"#).slots.idleTime == nil)
        for wrong in [#"{"memoryBudgetBytes": 5}"#, #"{"idleSeconds": -1}"#, #"{"sleep": 5}"#] {
            #expect(throws: AgentError.self) { try parse(#"{"slots": \#(wrong)}"#) }
        }
    }

    @Test("connections to a declared engine are kept only where its owner says so, to llama.cpp always")
    func connections() throws {
        func traits(_ further: String) throws -> EngineTraits? {
            let engine = #"{"command": ["/opt/x", "{model}", "{socket}"], "formats": ["onnx"]\#(further)}"#
            return try parse(#"{"engines": {"x": \#(engine)}}"#).declared.first?.traits
        }
        #expect(try traits("")?.keepsAlive == false)
        #expect(try traits(#", "connections": "closed""#)?.keepsAlive == false)
        #expect(try traits(#", "connections": "kept""#)?.keepsAlive == true)
        #expect(throws: AgentError.self) { try traits(#", "connections": "open""#) }
        #expect(EngineTraits.llama.keepsAlive)
    }

    @Test("every member is read")
    func everything() throws {
        let configuration = try parse(
            """
            {"policy": {"slots": {"triage": ["clinic/triage", "lab/*"]}, "otherSlots": ["clinic/*"],
                "maxContextTokens": 4096, "maxParallelRequests": 2, "maxThreads": 3, "engineNamespace": "engines",
                "agentNamespace": "agents", "offlineInstall": "allowed"},
             "engine": {"llamaServer": "/opt/llama/llama-server", "threads": 4, "confine": "required",
                "readable": ["/opt/models"], "writable": ["/dev/davinci0"], "niceness": 5},
             "gateway": {"address": "[::1]:9000", "socket": "/run/g.sock", "hosts": ["box.local"],
                "keys": ["0123456789abcdef"], "maxParkSeconds": 5, "parkedRequests": 10, "maxBodyBytes": 2048,
                "connections": 20, "drainSeconds": 60},
             "telemetrySeconds": 2, "telemetryBudgetBytes": 65536, "diskBudgetBytes": 2000000,
             "diskReserveBytes": 0, "bandwidthBytesPerSecond": 1048576, "labels": {"site": "berlin"},
             "profile": "raspberry-pi-5"}
            """)
        #expect(
            configuration.policy
                == LocalPolicy(
                    slots: [try SlotName("triage"): ["clinic/triage", "lab/*"]], otherSlots: ["clinic/*"],
                    maxContextTokens: 4096, maxParallelRequests: 2, maxThreads: 3, engineNamespace: "engines",
                    agentNamespace: "agents", offlineInstall: .allowed))
        #expect(configuration.engine.llamaServer == "/opt/llama/llama-server")
        #expect(configuration.engine.threads == 4)
        #expect(configuration.engine.niceness == 5)
        #expect(
            configuration.engine.confinement
                == Confinement(mode: .required, readable: ["/opt/models"], writable: ["/dev/davinci0"]))
        #expect(configuration.gateway.host == "::1")
        #expect(configuration.gateway.port == 9000)
        #expect(configuration.gateway.unixSocketPath == "/run/g.sock")
        #expect(configuration.gateway.allowedHosts == ["box.local"])
        #expect(configuration.gateway.apiKeys == ["0123456789abcdef"])
        #expect(configuration.gateway.maxPark == .seconds(5))
        #expect(configuration.gateway.parkedRequests == 10)
        #expect(configuration.gateway.maxBodyBytes == ByteCount(2048))
        #expect(configuration.gateway.connections == 20)
        #expect(configuration.gateway.drainDeadline == .seconds(60))
        #expect(configuration.telemetryInterval == .seconds(2))
        #expect(configuration.telemetryBudget == ByteCount(65_536))
        #expect(configuration.disk == DiskBudget(limit: ByteCount(2_000_000), reserve: .zero))
        #expect(configuration.bandwidth == ByteCount(1_048_576))
        #expect(configuration.labels.values == ["site": "berlin"])
        #expect(configuration.profile == "raspberry-pi-5")
        #expect(!configuration.allowsNothing)
    }

    @Test("a profile that does not exist is refused with those that do")
    func unknownProfile() throws {
        let error = #expect(throws: AgentError.self) { try parse(#"{"profile": "toaster"}"#) }
        #expect(error?.message.contains("toaster") == true)
        #expect(error?.message.contains("raspberry-pi-4, raspberry-pi-5") == true, "\(error?.message ?? "")")
    }

    @Test(
        "what is wrong is named by its place",
        arguments: [
            ("[]", "the file"), ("{", "JSON"), ("{\"policy\": {}, \"policy\": {}}", "JSON"),
            (#"{"polcy": {}}"#, "polcy"), (#"{"policy": null}"#, "policy"), (#"{"policy": []}"#, "policy"),
            (#"{"policy": {"otherSlot": []}}"#, "policy.otherSlot"),
            (#"{"policy": {"otherSlots": "clinic/*"}}"#, "policy.otherSlots"),
            (#"{"policy": {"otherSlots": ["clinic"]}}"#, "policy.otherSlots[0]"),
            (#"{"policy": {"otherSlots": ["*"]}}"#, "policy.otherSlots[0]"),
            (#"{"policy": {"otherSlots": ["clinic/tri*"]}}"#, "policy.otherSlots[0]"),
            (#"{"policy": {"otherSlots": ["a/b", 7]}}"#, "policy.otherSlots[1]"),
            (#"{"policy": {"slots": {"Triage": []}}}"#, "policy.slots"),
            (#"{"policy": {"slots": {"triage": ["UP/x"]}}}"#, "policy.slots.triage[0]"),
            (#"{"policy": {"maxContextTokens": 0}}"#, "policy.maxContextTokens"),
            (#"{"policy": {"maxParallelRequests": 1.5}}"#, "policy.maxParallelRequests"),
            (#"{"policy": {"engineNamespace": "a/b"}}"#, "policy.engineNamespace"),
            (#"{"policy": {"offlineInstall": "yes"}}"#, "policy.offlineInstall"),
            (#"{"engine": {"llamaServer": "llama-server"}}"#, "engine.llamaServer"),
            (#"{"engine": {"llamaServer": ""}}"#, "engine.llamaServer"),
            (#"{"engine": {"threads": "4"}}"#, "engine.threads"),
            (#"{"engine": {"threads": 100000}}"#, "engine.threads"),
            (#"{"engine": {"confine": true}}"#, "engine.confine"),
            (#"{"engine": {"confine": "some"}}"#, "engine.confine"),
            (#"{"engine": {"readable": ["models"]}}"#, "engine.readable[0]"),
            (#"{"engine": {"niceness": -5}}"#, "engine.niceness"),
            (#"{"engine": {"command": "/bin/sh"}}"#, "engine.command"),
            (#"{"gateway": {"address": "8080"}}"#, "gateway.address"),
            (#"{"gateway": {"address": "127.0.0.1:99999"}}"#, "gateway.address"),
            (#"{"gateway": {"address": "a b:80"}}"#, "gateway.address"),
            (#"{"gateway": {"address": ":80"}}"#, "gateway.address"),
            (#"{"gateway": {"socket": "g.sock"}}"#, "gateway.socket"),
            (#"{"gateway": {"keys": ["short"]}}"#, "gateway.keys[0]"),
            (#"{"gateway": {"keys": "0123456789abcdef"}}"#, "gateway.keys"),
            (#"{"gateway": {"maxParkSeconds": -1}}"#, "gateway.maxParkSeconds"),
            (#"{"telemetrySeconds": 0}"#, "telemetrySeconds"),
            (#"{"telemetrySeconds": true}"#, "telemetrySeconds"),
            (#"{"diskBudgetBytes": 12}"#, "diskBudgetBytes"),
            (#"{"bandwidthBytesPerSecond": 10}"#, "bandwidthBytesPerSecond"),
            (#"{"profile": "toaster"}"#, "profile"), (#"{"profile": 5}"#, "profile"),
            (#"{"labels": {"site": 1}}"#, "labels.site"), (#"{"labels": {"-x": "y"}}"#, "labels"),
        ])
    func wrong(_ text: String, _ place: String) throws {
        let error = #expect(throws: AgentError.self) { try parse(text) }
        #expect(error?.reason == .invalidConfiguration)
        #expect(error?.message.contains(place) == true, "\(error?.message ?? "")")
        #expect(error?.remedy.isEmpty == false)
    }

    @Test("an error never repeats a key")
    func secrets() throws {
        let secrets = [#"{"gateway": {"keys": ["hunter2"]}}"#, #"{"gateway": {"keys": ["hunter2 hunter2 hunter2"]}}"#]
        for text in secrets {
            let error = #expect(throws: AgentError.self) { try parse(text) }
            #expect(error?.description.contains("hunter2") == false)
        }
    }

    @Test("a file without a policy takes the one that was set before")
    func policyStays() throws {
        let set = LocalPolicy(otherSlots: ["clinic/*"])
        #expect(try AgentConfiguration(parsing: Array("{}".utf8), policy: set).policy == set)
        let stated = try AgentConfiguration(parsing: Array(#"{"policy": {}}"#.utf8), policy: set)
        #expect(stated.policy == LocalPolicy())
    }
}

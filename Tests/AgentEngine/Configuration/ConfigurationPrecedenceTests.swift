import AgentEngine
import Foundation
import MartletTypes
import ModelRuntime
import TestSupport
import Testing
import Trust

@Suite("Where the agent's configuration comes from")
struct ConfigurationPrecedenceTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func write(_ text: String, _ name: String) throws -> String {
        try Data(text.utf8).write(to: URL(fileURLWithPath: folder.file(name)))
        return folder.file(name)
    }

    private func load(
        flags: [AgentOptions.Name: String] = [:], environment: [String: String] = [:]
    ) throws -> AgentConfiguration {
        try AgentConfiguration.load(
            data: folder.path, options: AgentOptions(flags: flags, environment: environment))
    }

    @Test("flag over variable over named file over kept file over default")
    func order() throws {
        #expect(try load().gateway.port == 8080)
        _ = try write(#"{"gateway": {"address": "127.0.0.1:1"}}"#, "agent.json")
        #expect(try load().gateway.port == 1)
        let named = try write(#"{"gateway": {"address": "127.0.0.1:2"}}"#, "named.json")
        #expect(try load(flags: [.config: named]).gateway.port == 2)
        #expect(try load(environment: ["MARTLET_AGENT_CONFIG": named]).gateway.port == 2)
        let variable = ["MARTLET_AGENT_GATEWAY": "127.0.0.1:3", "MARTLET_AGENT_CONFIG": named]
        #expect(try load(environment: variable).gateway.port == 3)
        #expect(try load(flags: [.gateway: "127.0.0.1:4"], environment: variable).gateway.port == 4)
        #expect(try load(environment: ["MARTLET_AGENT_GATEWAY": ""]).gateway.port == 1)
    }

    @Test("a named file replaces the kept one, but its policy only where it states one")
    func policy() throws {
        let set = try write(
            #"{"policy": {"otherSlots": ["clinic/*"]}, "telemetrySeconds": 5, "#
                + #""gateway": {"keys": ["0123456789abcdef"]}}"#,
            "source.json")
        try AgentConfiguration.adopt(file: set, data: folder.path)
        let mode = try FileManager.default.attributesOfItem(atPath: folder.file("agent.json"))[.posixPermissions]
        #expect(mode as? Int == 0o600)
        let silent = try load(flags: [.config: try write("{}", "silent.json")])
        #expect(silent.policy.otherSlots == ["clinic/*"])
        #expect(silent.telemetryInterval == .seconds(60))
        #expect(silent.gateway.apiKeys.isEmpty)
        let loud = try load(flags: [.config: try write(#"{"policy": {"otherSlots": ["a/b"]}}"#, "loud.json")])
        #expect(loud.policy.otherSlots == ["a/b"])
    }

    @Test("the machine's own file counts before the kept one, where it is there, says something and no other is named")
    func systemFile() throws {
        _ = try write(
            #"{"policy": {"otherSlots": ["clinic/*"]}, "gateway": {"address": "127.0.0.1:1"}, "telemetrySeconds": 5}"#,
            "agent.json")
        let environment = ["MARTLET_AGENT_SYSTEM_CONFIG": folder.file("etc.json")]
        #expect(try load(environment: environment).gateway.port == 1)
        _ = try write(" {\n} ", "etc.json")
        #expect(try load(environment: environment).gateway.port == 1)
        _ = try write(#"{"gateway": {"address": "127.0.0.1:2"}}"#, "etc.json")
        let own = try load(environment: environment)
        #expect(own.gateway.port == 2 && own.telemetryInterval == .seconds(60))
        #expect(own.policy.otherSlots == ["clinic/*"])
        let named = try write(#"{"gateway": {"address": "127.0.0.1:3"}}"#, "named.json")
        #expect(try load(flags: [.config: named], environment: environment).gateway.port == 3)
        _ = try write("half of {", "etc.json")
        let error = #expect(throws: AgentError.self) { try load(environment: environment) }
        #expect(error?.message.contains("etc.json") == true)
    }

    @Test(
        "wrong flags and files are named",
        arguments: [
            (AgentOptions.Name.gateway, "nowhere", "--gateway"), (.gatewaySocket, "", "--gateway-socket"),
            (.llamaServer, "", "--llama-server"), (.config, "/nonexistent/agent.json", "/nonexistent/agent.json"),
            (.config, "/proc/self", "/proc/self"),
        ])
    func wrong(_ name: AgentOptions.Name, _ value: String, _ named: String) throws {
        let error = #expect(throws: AgentError.self) { try load(flags: [name: value]) }
        #expect(error?.reason == .invalidConfiguration)
        #expect(error?.message.contains(named) == true, "\(error?.message ?? "")")
    }

    @Test("an error in a file names the file and the place")
    func place() throws {
        let path = try write(#"{"engine": {"threads": 0}}"#, "bad.json")
        let error = #expect(throws: AgentError.self) { try load(flags: [.config: path]) }
        #expect(error?.message.contains("bad.json") == true)
        #expect(error?.message.contains("engine.threads") == true)
        #expect(throws: AgentError.self) { try AgentConfiguration.adopt(file: path, data: folder.path) }
        #expect(!FileManager.default.fileExists(atPath: folder.file("agent.json")))
    }

    @Test("a file that is too large is not read")
    func large() throws {
        let path = try write(String(repeating: " ", count: 300_000) + "{}", "large.json")
        let error = #expect(throws: AgentError.self) { try load(flags: [.config: path]) }
        #expect(error?.reason == .invalidConfiguration)
    }

    @Test("gateway addresses as people write them")
    func addresses() throws {
        let good: [(String, String, Int)] = [
            ("127.0.0.1:8080", "127.0.0.1", 8080), ("[::1]:0", "::1", 0), ("localhost:65535", "localhost", 65_535),
            ("0.0.0.0:80", "0.0.0.0", 80),
        ]
        for (text, host, port) in good {
            let parsed = try GatewayAddress.parse(text)
            #expect(parsed.host == host)
            #expect(parsed.port == port)
            #expect(GatewayAddress.text(host: host, port: port) == text)
        }
        for text in ["", "8080", "::1:80", "[::1:80", "[]:80", "[zz]:80", "a:", "a:-1", "a:+1", "a:65536", "a/b:1"] {
            #expect(throws: InvalidValue.self) { try GatewayAddress.parse(text) }
        }
    }
}

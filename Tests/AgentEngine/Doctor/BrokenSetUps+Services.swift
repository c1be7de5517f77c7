import AgentStore
import Foundation
import Glibc
import MartletTypes
import TestSupport

@testable import AgentEngine

extension BrokenSetUp {
    static let registries: [BrokenSetUp] = [
        // A label that is too long is refused before a server of names is asked.
        BrokenSetUp(.registryNameUnknown) { box in
            try box.identify { $0.registry = "https://" + String(repeating: "a", count: 64) + ".invalid:8443" }
        },
        BrokenSetUp(.registryNotReached) { try $0.identify { $0.registry = "https://127.0.0.1:1" } },
        BrokenSetUp(.registryNameMismatch) {
            try await $0.replaceRegistry(name: "DNS:registry.example", isBelieved: true)
        },
        BrokenSetUp(.registryAuthorityUnknown) {
            try await $0.replaceRegistry(name: "IP:127.0.0.1", isBelieved: false)
        },
        BrokenSetUp(.registryRefusesCertificate) {
            try await $0.replaceRegistry(name: "IP:127.0.0.1", requiresClient: true, isBelieved: true)
        },
        BrokenSetUp(.registryRefusesDevice) { box in
            try box.registry("401 Unauthorized", "no")
        },
        BrokenSetUp(.registryRefusesDevice) { box in
            try await box.run(Self.status { $0.agent.refusal = "Device ward-1 waits for an operator's approval." })
        },
        BrokenSetUp(.registryFailing) { try $0.registry("500 Internal Server Error", "no") },
        BrokenSetUp(.registryNotMartlet) { try $0.registry("404 Not Found", "no") },
    ]

    static let trust: [BrokenSetUp] = [
        BrokenSetUp(.rootMissing) { try $0.remove("data/identity/root.json") },
        BrokenSetUp(.metadataMissing) { try $0.remove("data/tuf/timestamp.json") },
        BrokenSetUp(.metadataDamaged) { try $0.write("data/tuf/snapshot.json", "half of") },
        BrokenSetUp(.metadataExpired) { try $0.metadata("timestamp", expires: Timestamp(seconds: 1_700_000_000)) },
        BrokenSetUp(.trustDocumentMissing) { try $0.metadata("targets", targets: "") },
    ]

    static let engines: [BrokenSetUp] = [
        BrokenSetUp(.engineMissing) { try $0.remove("llama-server") },
        BrokenSetUp(.engineMissing) { $0.option(.llamaServer, "/nowhere/llama-server") },
        BrokenSetUp(.engineNotExecutable) { $0.mode(0o644, "llama-server") },
        BrokenSetUp(.engineLibraryMissing) { box in
            let folder = box.folder.path
            try "int gone(void) { return 0; }".write(
                toFile: folder + "/gone.c", atomically: true, encoding: .utf8)
            try "int gone(void); int main(void) { return gone(); }".write(
                toFile: folder + "/main.c", atomically: true, encoding: .utf8)
            let script =
                "cd \(folder) && clang -shared -fPIC -o libgone.so gone.c && rm llama-server && "
                + "clang -o llama-server main.c -L. -lgone && rm libgone.so"
            let done = try await run("/bin/sh", ["-c", script])
            guard done.status == 0 else { throw NeverTrue(description: done.errors) }
        },
        BrokenSetUp(.engineNotStarting) { try $0.engine("echo 'Illegal instruction' >&2; kill -ILL $$") },
        BrokenSetUp(.engineTooOld) { box in
            try box.install(
                engine: EngineRequirement(name: "llama.cpp", minVersion: try SemanticVersion("9.0.0")))
        },
        BrokenSetUp(.engineTooOld) { box in
            try box.configure(with: #""engines": {\#(try box.declaration(#", "version": "1.1.0""#))}"#)
            try box.install(engine: EngineRequirement(name: "onnx", minVersion: try SemanticVersion("1.2.0")))
        },
        BrokenSetUp(.engineTooOld) { box in
            let version = try SemanticVersion("0.6.0")
            try box.install(
                engine: EngineRequirement(name: "llama.cpp", minVersion: try SemanticVersion("0.7.0")),
                build: EngineBuild(
                    name: "llama.cpp", version: version, archive: .of([]), size: .zero, unpacked: .zero))
        },
        BrokenSetUp(.engineMissing) { box in
            try box.configure(with: #""engines": {\#(try box.declaration())}"#)
            box.scene.environment = [:]
            try box.install()
        },
        BrokenSetUp(.declaredEngineMissing) { box in
            try box.configure(with: #""engines": {\#(try box.declaration())}"#)
            try box.remove("serve")
        },
        BrokenSetUp(.declaredEngineMissing) { box in
            try box.configure(with: #""engines": {\#(try box.declaration(#", "versionCommand": ["/nowhere/v"]"#))}"#)
        },
        BrokenSetUp(.declaredEngineMissing) { try $0.install(engine: EngineRequirement(name: "onnx")) },
        BrokenSetUp(.launcherUnavailable) { box in
            try box.configure(with: #""engine": {"launcher": "systemd"}"#)
            try box.remove("root/run/systemd/system")
        },
        BrokenSetUp(.launcherUnavailable) { box in
            try box.configure(with: #""engine": {"launcher": "systemd"}"#)
            try box.remove("root/usr/lib/systemd/system/martlet-runtime@.service")
        },
        BrokenSetUp(.launcherUnavailable, needsRoot: true) { box in
            try box.configure(with: #""engine": {"launcher": "systemd"}"#)
            let done = try await run("/bin/chown", ["-R", "65534:65534", box.data])
            guard done.status == 0 else { throw NeverTrue(description: done.errors) }
        },
        BrokenSetUp(.confinementUnavailable) { box in
            try box.configure(
                #"{"policy": {"otherSlots": ["c/*"]}, "#
                    + #""gateway": {"address": "127.0.0.1:0"}, "engine": {"confine": "required"}}"#
            )
            box.scene.canConfine = false
        },
        BrokenSetUp(.modelDoesNotFit) { try $0.install(bytes: .mebibytes(20_000)) },
        BrokenSetUp(.modelDoesNotFit) { box in
            try box.configure(with: #""slots": {"memoryBudgetBytes": 33554432}"#)
            try box.install(bytes: .mebibytes(100))
        },
        BrokenSetUp(.modelDoesNotFit) { box in
            try box.configure(with: #""engines": {\#(try box.declaration(#", "memoryBytes": 20000000000"#))}"#)
            try box.install(engine: EngineRequirement(name: "onnx"))
        },
    ]

    static let gateway: [BrokenSetUp] = [
        BrokenSetUp(.gatewayPortTaken) { box in
            let listener = try Listener()
            box.hold(listener)
            box.option(.gateway, "127.0.0.1:\(listener.port)")
        },
        // TEST-NET-1: an address that no machine has.
        BrokenSetUp(.gatewayAddressUnusable, along: [.gatewayKeysRequired]) { $0.option(.gateway, "192.0.2.1:8080") },
        BrokenSetUp(.gatewayKeysRequired) { $0.option(.gateway, "0.0.0.0:0") },
        BrokenSetUp(.socketPathTooLong) { box in
            box.option(.gatewaySocket, "/tmp/" + String(repeating: "long", count: 30))
        },
    ]

    static let box: [BrokenSetUp] = [
        BrokenSetUp(.cgroupNotDelegated) { box in
            try box.write("root/proc/\(getpid())/cgroup", "0::/system.slice/martlet-agent.service\n")
            try box.write("root/sys/fs/cgroup/system.slice/martlet-agent.service/cgroup.controllers", "memory pids\n")
            try await box.run(Self.status { _ in })
        },
        BrokenSetUp(.memoryPressure) {
            try $0.write("root/proc/pressure/memory", "some avg10=0.00 avg60=35.20 avg300=0.00 total=1\n")
        },
        BrokenSetUp(.memoryPressure) {
            try $0.write("root/proc/meminfo", "MemTotal: 8000000 kB\nMemAvailable: 200000 kB\n")
        },
        BrokenSetUp(.swapInUse) {
            try $0.write(
                "root/proc/meminfo",
                "MemTotal: 8000000 kB\nMemAvailable: 6000000 kB\nSwapTotal: 1000000 kB\nSwapFree: 100000 kB\n")
        },
        BrokenSetUp(.throttled) {
            try $0.write("root/sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n")
        },
        BrokenSetUp(.tooHot) { try $0.write("root/sys/class/thermal/thermal_zone0/temp", "97000\n") },
    ]

    /// A program that has a port.
    private final class Listener {
        let port: Int
        private let descriptor: Int32

        init() throws {
            descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = inet_addr("127.0.0.1")
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let socket = descriptor
            let isBound = withUnsafeMutablePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                    bind(socket, address, length) == 0 && listen(socket, 1) == 0
                        && getsockname(socket, address, &length) == 0
                }
            }
            guard isBound else { throw NeverTrue(description: "no free port") }
            port = Int(UInt16(bigEndian: address.sin_port))
        }

        deinit { close(descriptor) }
    }
}

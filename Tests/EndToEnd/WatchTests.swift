import Foundation
import Glibc
import MartletAPI
import MartletTypes
import TestSupport
import Testing

/// `martlet rollout watch` beside a real registry and simulated devices.
@Suite("Watching a rollout", .serialized)
struct WatchTests {
    private static let policy = """
        target: {fleet: all, slot: triage}
        waves:
          - {size: 2, confirm: true}
        soak: 1s
        """

    /// A fleet of six whose first wave is through: the rollout waits for a person.
    private func site(_ name: String, _ body: (Site, RolloutID) async throws -> Void) async throws {
        try await Site.ready(name) { site in
            try await site.publishTiny("1.0.0")
            let fleet = try await site.startFleet(6, "timeScale: 30")
            try await site.martlet("fleets", "set", "all", "--selector", "")
            let file = site.folder.file("policy.yaml")
            try Self.policy.write(toFile: file, atomically: true, encoding: .utf8)
            let start = try await site.martlet(
                ["rollout", "start", "clinic/triage:1.0.0", "--policy", file, "--wait"], expecting: 75)
            #expect(start.errors.contains("rollout confirm"), "\(start)")
            let rollouts = try await site.json([RolloutInfo].self, "rollout", "list")
            try await body(site, try #require(rollouts.first).id)
            _ = try await fleet.stop()
        }
    }

    /// `martlet rollout watch ID --stay`, whose lines go to a file.
    private func watch(_ site: Site, _ rollout: RolloutID) throws -> RunningProcess {
        try RunningProcess(
            Checkout.product("martlet"), ["rollout", "watch", rollout.text, "--stay"],
            environment: site.operatorEnvironment, log: site.folder.file("watch.log"))
    }

    @Test("it goes by the registry's stream of events, also after the registry was killed and is back")
    func live() async throws {
        try await site("live") { site, rollout in
            let watch = try watch(site, rollout)
            try await eventually(within: 60, "what was is told") { watch.output.contains("awaitConfirmation: ") }
            try await site.killRegistry()
            try await eventually(within: 60, "it is told that the registry is away") {
                watch.output.contains("The registry is away")
            }
            try await site.startRegistry()
            try await site.martlet("rollout", "confirm", rollout.text, "--reason", "two are happy")
            #expect(try await watch.exitCode(within: 120) == 0, "\(watch.output)")
            let lines = watch.output.split(separator: "\n")
            #expect(lines.count { $0.hasPrefix("start: ") } == 1, "\(watch.output)")
            #expect(lines.count { $0.hasPrefix("confirm: ") && $0.contains("two are happy") } == 1, "\(watch.output)")
            #expect(lines.last?.hasPrefix("Rollout \(rollout) completed: 6 succeeded") == true, "\(watch.output)")
            #expect(!watch.output.contains("stream of events"), "nothing was missed: \(watch.output)")
        }
    }

    @Test("where the registry has no stream left it says so and asks, until there is one again")
    func withoutStream() async throws {
        try await site("full") { site, rollout in
            let token = try String(contentsOfFile: site.folder.file("admin.token"), encoding: .utf8)
                .trimmingCharacters(in: .whitespacesAndNewlines)
            let streams = try OpenStreams(of: site.operatorAddress, token: token)
            let watch = try watch(site, rollout)
            try await eventually(within: 60, "it is told that there is no stream") {
                watch.output.contains("There is no stream of events (tooManyStreams)")
            }
            streams.close()
            try await eventually(within: 120, "it is told that the stream is back") {
                watch.output.contains("The stream of events is there again.")
            }
            try await site.martlet("rollout", "confirm", rollout.text)
            #expect(try await watch.exitCode(within: 120) == 0, "\(watch.output)")
        }
    }
}

/// All the streams of events that a registry keeps open, which is 200 at most.
private struct OpenStreams {
    private static let most = 200
    private var sockets: [Int32] = []

    init(of address: String, token: String) throws {
        let port = try #require(address.split(separator: ":").last.flatMap { UInt16($0) })
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_addr.s_addr = inet_addr("127.0.0.1")
        name.sin_port = port.bigEndian
        var patience = timeval(tv_sec: 60, tv_usec: 0)
        let request = Array(
            """
            GET /api/v1/events HTTP/1.1\r
            Host: 127.0.0.1:\(port)\r
            Authorization: Bearer \(token)\r
            Accept: text/event-stream\r
            \r

            """.utf8)
        // Streams of commands that have ended stand until the registry notices: it must be this many of ours.
        let end = ContinuousClock.now + .seconds(120)
        while sockets.count < Self.most, ContinuousClock.now < end {
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
            let isConnected = withUnsafePointer(to: &name) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                    connect(descriptor, address, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
                }
            }
            var answer = [UInt8](repeating: 0, count: 512)
            guard isConnected, send(descriptor, request, request.count, 0) == request.count,
                case let read = recv(descriptor, &answer, answer.count, 0), read > 0
            else {
                Glibc.close(descriptor)
                close()
                throw NeverTrue(description: "stream \(sockets.count) is not answered")
            }
            let text = String(decoding: answer.prefix(read), as: UTF8.self)
            guard text.hasPrefix("HTTP/1.1 200 ") else {
                Glibc.close(descriptor)
                guard text.hasPrefix("HTTP/1.1 503 ") else {
                    close()
                    throw NeverTrue(description: "stream \(sockets.count) does not stand: \(text)")
                }
                usleep(100_000)
                continue
            }
            sockets.append(descriptor)
        }
        guard sockets.count == Self.most else {
            close()
            throw NeverTrue(description: "\(sockets.count) streams stand, and others do not end")
        }
    }

    func close() { for socket in sockets { Glibc.close(socket) } }
}

import Foundation
import MartletAPI
import MartletTypes
import TestSupport
import Testing

/// docs/security.md, the row "malformed input": what no program of ours would send, to the registry that runs.
@Suite("Malformed input", .serialized)
struct MalformedInputTests {
    private static let scale = ProcessInfo.processInfo.environment["MARTLET_SCALE"].flatMap(Int.init) ?? 1
    /// What the registry may have taken of memory at the worst moment: its own part in a debug build is a third of it,
    /// and what is sent here would be more, were it kept.
    private static let registryPeak = 256 << 20
    /// Connections that say half of what they want.
    private static let slowConnections = 300

    private static func port(_ address: String) -> Int { Int(address.split(separator: ":").last ?? "") ?? 0 }

    @Test("that is no HTTP, no TLS or too much of either is refused by both listeners of a registry, which goes on")
    func wire() async throws {
        try await Site.ready("badwire") { site in
            let (plain, tls) = (Self.port(site.operatorAddress), Self.port(site.deviceAddress))
            let pid = site.registryPID
            for (what, bytes) in MalformedBytes.http {
                let answer = String(decoding: try RawSocket.exchange(plain, bytes, seconds: 20), as: UTF8.self)
                #expect(answer.isEmpty || answer.hasPrefix("HTTP/1.1 4"), "\(what): \(answer.prefix(200))")
                #expect(try await Curl.get(site.operatorAddress + "/healthz").status == 200, "after \(what)")
            }
            for (what, bytes) in MalformedBytes.tls {
                let answer = try RawSocket.exchange(tls, bytes, seconds: 20)
                // An alert at most, or the start of a handshake that comes to nothing.
                #expect(answer.firstRange(of: Array("HTTP/".utf8)) == nil, "\(what)")
                #expect(try await Curl.get("https://\(site.deviceAddress)/healthz").status == 200, "after \(what)")
            }
            try await slow(site, plain, tls)
            #expect(site.registryPID == pid && site.registryIsRunning)
            let peak = try Self.peak(pid)
            #expect(peak < Self.registryPeak, "\(peak >> 20) MiB")
            try await site.martlet("status")
        }
    }

    /// Hundreds who say half of what they want and stay: others are served meanwhile.
    private func slow(_ site: Site, _ plain: Int, _ tls: Int) async throws {
        let device = try await site.enrol("ward-1", join: try await site.joinFile())
        #expect(device.status == 0)
        let identity = try StolenIdentity(data: site.folder.file("devices/ward-1"))
        var connections: [RawSocket] = []
        for number in 0..<Self.slowConnections {
            let halves: [(Int, [UInt8])] = [
                (plain, MalformedBytes.text("GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ")),
                (plain, MalformedBytes.text("POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\ntoken=")),
                (plain, []), (tls, MalformedBytes.halfHello), (tls, []),
            ]
            let (port, bytes) = halves[number % halves.count]
            let connection = try RawSocket(port)
            connection.send(bytes)
            connections.append(connection)
        }
        for _ in 0..<3 {
            // Some of them say a little more, as if they were only slow.
            for connection in connections { connection.send([UInt8(ascii: "a")]) }
            #expect(try await Curl.get(site.operatorAddress + "/healthz").status == 200)
            try await site.martlet("devices", "list")
            #expect(try await identity.poll().status == 204)
        }
        guard Self.scale > 1 else { return }
        // What is never said to its end is cut off after two minutes.
        let end = ContinuousClock.now + .seconds(180)
        while connections.contains(where: { !$0.isEnded }), ContinuousClock.now < end {
            try await Task.sleep(for: .seconds(5))
        }
        let left = connections.indices.filter { !connections[$0].isEnded }
        #expect(left.isEmpty, "of the five kinds these are not cut off: \(Set(left.map { $0 % 5 }))")
    }

    @Test("in bodies is refused with its reason; bodies without end are not kept, by no door")
    func bodies() async throws {
        try await Site.ready("badbody") { site in
            let token = try String(contentsOfFile: site.folder.file("admin.token"), encoding: .utf8)
                .trimmingCharacters(in: .whitespacesAndNewlines)
            let pid = site.registryPID
            let rows = try await site.json([AuditRow].self, "audit", "list").count
            let doors: [(method: String, address: String)] = [
                ("PUT", site.operatorAddress + "/api/v1/fleets/wards"),
                ("POST", site.operatorAddress + "/api/v1/tokens"),
                ("POST", site.operatorAddress + "/api/v1/rollouts"),
                ("POST", site.operatorAddress + "/api/v1/trust/changes"),
                ("PUT", site.operatorAddress + "/v2/clinic/base/manifests/1.0.0"),
                ("POST", "https://\(site.deviceAddress)/device/v1/enrol"),
                ("POST", "https://\(site.deviceAddress)/device/v1/renew"),
            ]
            for (what, bytes) in MalformedBytes.json {
                let file = site.folder.file("body")
                try Data(bytes).write(to: URL(fileURLWithPath: file))
                for door in doors {
                    let answer = try await Curl.get(
                        door.address, token: token, "-X", door.method, "-H", "Content-Type: application/json",
                        "--data-binary", "@" + file)
                    #expect((400..<500).contains(answer.status), "\(what) at \(door): \(answer)")
                }
            }
            try await endless(site, token, doors)
            #expect(try await site.json([AuditRow].self, "audit", "list").count == rows, "nothing came of any")
            #expect(site.registryPID == pid && site.registryIsRunning)
            let peak = try Self.peak(pid)
            #expect(peak < Self.registryPeak, "\(peak >> 20) MiB")
            #expect(try await site.enrol("ward-1", join: try await site.joinFile()).status == 0)
        }
    }

    /// More than the whole memory bound, in chunks without a length, at several doors at once.
    private func endless(_ site: Site, _ token: String, _ doors: [(method: String, address: String)]) async throws {
        let zeros = site.folder.file("zeros")
        try Data().write(to: URL(fileURLWithPath: zeros))
        // Takes no room on the disk.
        try #require(truncate(zeros, off_t(Self.registryPeak / 2)) == 0)
        try await withThrowingTaskGroup(of: (String, Int).self) { group in
            for door in doors.filter({ !$0.address.contains("/renew") }) {
                group.addTask {
                    let answer = try await Curl.get(
                        door.address, token: token, "-X", door.method, "-H", "Content-Type: application/json", "-H",
                        "Transfer-Encoding: chunked", "-H", "Expect:", "-T", zeros)
                    return (door.address, answer.status)
                }
            }
            // Refused, or cut off while it was sent.
            for try await (address, status) in group {
                #expect([413, 400, 0].contains(status), "\(address): \(status)")
            }
        }
    }

    /// What a process had of memory at its worst moment, in bytes.
    static func peak(_ pid: Int32) throws -> Int {
        let status = try KernelFile.text("/proc/\(pid)/status")
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
        return try #require(line.split(separator: " ").compactMap { Int($0) }.first) << 10
    }
}

import Foundation

extension Figures {
    /// From the decision to install a 98 MB model to its last verified byte in the store, on a new device each time.
    static var installThroughput: Figure {
        let then = ", then openssl dgst -sha256"
        let columns: [Figure.Column] = [
            .init("tls", unit: "MB/s", peer: "curl -o with the device's certificate" + then),
            .init("plain", unit: "MB/s", peer: "curl -o over plain HTTP" + then),
        ]
        return Figure("install-throughput", runs: 5, columns) { workbench in
            let site = try Site(workbench)
            try site.publish(workbench.model, as: "clinic/base:1.0.0")
            var devices: [Site.Device] = []
            return Figure.Session(
                martlet: {
                    let name = "box-\(devices.count + 1)"
                    let device = try site.join(name, group: name)
                    devices.append(device)
                    try site.rollOut("clinic/base:1.0.0", to: name)
                    let rate = try installRate(try site.history(of: device))
                    device.agent.stop()
                    return ["tls": rate, "plain": rate]
                },
                peer: {
                    guard let device = devices.last else { throw BenchError("no device has enrolled") }
                    return try peerRates(site, device)
                }, end: site.end)
        }
    }

    /// Megabytes per second by the device's own report.
    private static func installRate(_ reports: [[String: Any]]) throws -> Double {
        let rates = reports.compactMap { report -> Double? in
            guard let figures = report["figures"] as? [String: Any],
                let bytes = (figures["bytesFetched"] as? NSNumber)?.doubleValue, bytes > 90_000_000,
                let milliseconds = (figures["fetchMilliseconds"] as? NSNumber)?.doubleValue, milliseconds > 0
            else { return nil }
            return bytes / 1000 / milliseconds
        }
        guard let rate = rates.first else { throw BenchError("no report tells of 90 MB fetched: \(reports)") }
        return rate
    }

    /// The same blob from the same registry: over the device's connection, and over the operators' plain one.
    private static func peerRates(_ site: Site, _ device: Site.Device) throws -> [String: Double] {
        let workbench = site.workbench
        let size = try FileManager.default.attributesOfItem(atPath: workbench.model)[.size] as? Double ?? 0
        let digest = try sha256(of: workbench.model, workbench)
        let identity = try Identity(device, in: workbench.folder)
        let bearer = workbench.folder.appendingPathComponent("bearer")
        let token = try String(contentsOf: site.token, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
        try "Authorization: Bearer \(token)".write(to: bearer, atomically: true, encoding: .utf8)
        let path = "/v2/clinic/base/blobs/sha256:" + digest
        func rate(_ arguments: [String]) throws -> Double {
            let file = workbench.folder.appendingPathComponent("blob").path
            defer { try? FileManager.default.removeItem(atPath: file) }
            var found = ""
            let spent = try milliseconds {
                try workbench.run(["curl", "-sSf", "-o", file] + arguments)
                found = try sha256(of: file, workbench)
            }
            guard found == digest else { throw BenchError("curl got other bytes") }
            return size / 1000 / spent
        }
        return [
            "tls": try rate(identity.curlArguments + [identity.registry + path]),
            "plain": try rate(["-H", "@" + bearer.path, "http://" + site.operatorAddress + path]),
        ]
    }

    private static func sha256(of file: String, _ workbench: Workbench) throws -> String {
        let line = try workbench.run(["openssl", "dgst", "-sha256", "-r", file])
        return String(line.prefix { $0.isHexDigit })
    }

    /// What curl needs to speak as a device.
    private struct Identity {
        let registry: String
        let curlArguments: [String]

        init(_ device: Site.Device, in folder: URL) throws {
            struct Document: Decodable {
                let registry: String
                let certificate: String
                let authorities: [String]
                let key: String
            }
            let home = device.data.appendingPathComponent("identity")
            let file = home.appendingPathComponent("device.json")
            let document = try JSONDecoder().decode(Document.self, from: Data(contentsOf: file))
            let certificate = folder.appendingPathComponent("device.crt")
            let authority = folder.appendingPathComponent("authority.crt")
            try document.certificate.write(to: certificate, atomically: true, encoding: .utf8)
            try document.authorities.joined(separator: "\n").write(to: authority, atomically: true, encoding: .utf8)
            registry = document.registry
            curlArguments = [
                "--cert", certificate.path, "--key", home.appendingPathComponent(document.key).path, "--cacert",
                authority.path,
            ]
        }
    }
}

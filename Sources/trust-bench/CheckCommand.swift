import ArgumentParser
import Glibc
import MartletTypes
import RegistryClient
import TUF
import Trust

/// One check as the agent makes it: refresh, then whether publisher and director agree on the assigned release, and
/// whether a floor forbids it.
struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Refresh and check the assignment; print time and memory as JSON.")

    @Option(help: "Where the repository is served; its files are below /tuf/.") var url: String
    @Option(help: "The folder of the repository, for the keys that a device is born with.") var repository: String
    @Option(help: "The folder of the device's metadata.") var metadataDir: String

    private struct Result: Encodable {
        let milliseconds: Double
        let peakKilobytes: Int
    }

    func run() async throws {
        let root = try Self.read(repository + "/tuf/1.root.json")
        let director = try PublicKey(json: JSONValue(parsing: try Self.read(repository + "/director.json")))
        let http = try HTTPClient(origin: Origin(url))
        let clock = ContinuousClock()
        let start = clock.now
        let store = try FileMetadataStore(folder: metadataDir)
        let fetcher = HTTPMetadataFetcher(http: http)
        let client = try TUFClient(trustedRoot: root, fetcher: fetcher, store: store)
        let now = TrustBench.now
        try await client.refresh(now: now)
        let bytes = try await assignment(fetcher)
        let assignment = try Assignment.verify(
            bytes, directorKeys: [director.keyID: director], threshold: 1, device: DeviceID(TrustBench.device),
            highestNumber: 0, now: now)
        for slot in assignment.slots.values {
            for release in slot.releases {
                let found = try await client.search(release.path.text).file
                guard let found, found.names(release.indexDigest, length: release.length) else {
                    throw ValidationError("Director and publisher disagree about \(release.path.reference).")
                }
                _ = try await client.target(ReleaseFloor.path(of: release.path.repository))
            }
        }
        let spent = clock.now - start
        await http.close()
        let milliseconds = Double(spent.components.seconds) * 1000 + Double(spent.components.attoseconds) / 1e15
        let result = Result(milliseconds: milliseconds, peakKilobytes: try Self.peak())
        print(String(decoding: try JSONText.encode(result), as: UTF8.self))
    }

    /// The signed assignment: from the registry once, then kept, as the journal does; a poll without news brings none.
    private func assignment(_ fetcher: HTTPMetadataFetcher) async throws -> [UInt8] {
        let kept = metadataDir + "/assignment"
        if access(kept, F_OK) == 0 { return try Self.read(kept) }
        guard let bytes = try await fetcher.fetch("assignment.json", limit: Limits.assignmentBytes) else {
            throw ValidationError("The repository has no assignment.")
        }
        try TrustBench.write(bytes, to: kept)
        return bytes
    }

    /// The most memory that this process had, as the kernel counts it.
    private static func peak() throws -> Int {
        let text = String(decoding: try read("/proc/self/status"), as: UTF8.self)
        let line = text.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        return line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) } ?? 0
    }

    private static func read(_ path: String) throws -> [UInt8] {
        guard let file = fopen(path, "rbe") else { throw ValidationError("\(path) cannot be read.") }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: Limits.tufRootBytes)
        let count = fread(&bytes, 1, bytes.count, file)
        return Array(bytes.prefix(count))
    }
}

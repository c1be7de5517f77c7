import ArgumentParser
import MartletTypes
import Publishing
import RegistryClient

struct Export: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Put releases into one file, for sites without a network.",
        discussion: """
            The file is an OCI image layout in a tar, with the signed metadata that proves it: `martlet import` brings \
            it into another registry, `martlet-agent install --from` onto a device. With --device or --fleet it holds \
            their signed assignments too; without releases, all that these assign.

            --valid asks the registry to sign for that long (an hour to 90 days; 30d with devices). Whoever holds such \
            a file can hide newer releases from a device for that time, so keep it short. Publishers' signatures end \
            too: the earliest end is printed.

            Examples:
              martlet export clinic/triage:1.0.0 --to triage.tar
              martlet export --fleet ward-3 --valid 14d --zstd --to ward-3.tar.zst
            """)

    @Argument(
        help: "Releases, NAMESPACE/NAME:VERSION; of an adapter its base comes too.", transform: ReleaseReference.init)
    var releases: [ReleaseReference] = []
    @Option(help: "A device whose assignment shall be in it; several.", transform: DeviceID.init) var device:
        [DeviceID] =
            []
    @Option(help: "A fleet, all of whose devices are meant.", transform: FleetName.init) var fleet: FleetName?
    @Option(help: "How long the bundle shall be good, e.g. 30d.", transform: TimeSpan.init) var valid: TimeSpan?
    @Flag(help: "Compress it. Quantized weights hardly shrink.") var zstd = false
    @Option(help: "The file to be written.", completion: .file()) var to: String
    @OptionGroup var options: GlobalOptions

    func validate() throws {
        guard !releases.isEmpty || !device.isEmpty || fleet != nil else {
            throw ValidationError("Name a release, or --device or --fleet.")
        }
    }

    func run() async throws {
        let session = try options.session()
        guard let digest = session.stored.rootDigest else { throw CommandError.noTrustedRoot }
        var paths: [ReleasePath] = []
        for release in releases { paths.append(try await session.resolve(release)) }
        let standard = device.isEmpty && fleet == nil ? nil : TimeSpan(seconds: 30 * 86_400)
        let request = BundleRequest(
            releases: paths, devices: device, fleet: fleet, valid: (valid ?? standard)?.duration, path: to,
            isCompressed: zstd)
        let export = BundleExport(
            http: session.http, root: try await TrustAnchor.root(http: session.http, expecting: digest),
            clock: systemClock)
        let summary = try await BundleProgressLine.showing(options.printer) {
            try await export.run(request, progress: $0)
        }
        try options.printer.say(summary) { summary in
            let names = summary.releases.map(\.reference).joined(separator: ", ")
            let devices = summary.devices.isEmpty ? "" : " for \(Printable.count(summary.devices.count, "device"))"
            return "Wrote \(summary.file): \(names)\(devices), \(summary.size); good until \(summary.expires), "
                + "when \(summary.endsWith) ends."
        }
    }
}

/// The progress of a bundle, for people.
enum BundleProgressLine {
    static func showing<Result: Sendable>(
        _ printer: Output, _ work: (@escaping @Sendable (BundleProgress) -> Void) async throws -> Result
    ) async throws -> Result {
        let (steps, feed) = AsyncStream.makeStream(of: BundleProgress.self, bufferingPolicy: .bufferingNewest(64))
        let showing = Task {
            let line = ProgressLine()
            for await step in steps where printer.format == .table {
                switch step {
                case .blob(let name, let done, let total): line.update(name, done: done, total: total)
                case .present(let name): line.note("\(name): it is there")
                }
            }
            line.finish()
        }
        let result: Swift.Result<Result, any Error>
        do {
            result = .success(try await work { feed.yield($0) })
        } catch {
            result = .failure(error)
        }
        feed.finish()
        await showing.value
        return try result.get()
    }
}

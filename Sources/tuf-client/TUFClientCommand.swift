import ArgumentParser
import Glibc
import MartletTypes
import RegistryClient
import TUF

/// A TUF client for any repository.
///
/// Source of the command line: CLIENT-CLI.md of theupdateframework/tuf-conformance.
@main
struct TUFClientCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tuf-client",
        abstract: "Update metadata of a TUF repository and download targets from it.",
        discussion: """
            tuf-client --metadata-dir D init root.json
            tuf-client --metadata-dir D --metadata-url https://tuf.example/metadata refresh
            tuf-client --metadata-dir D --metadata-url U --target-name a/b --target-dir T --target-base-url B download
            """)

    enum Action: String, ExpressibleByArgument, CaseIterable {
        case `init`, refresh, download
    }

    @Option(help: "The folder in which trusted metadata is kept.")
    var metadataDir: String

    @Option(help: "Where the repository's metadata is.")
    var metadataURL: String?

    @Option(help: ArgumentHelp("The path of a target; may be given several times.", valueName: "path"))
    var targetName: [String] = []

    @Option(help: "The folder into which targets are downloaded.")
    var targetDir: String?

    @Option(help: "Where the repository's targets are.")
    var targetBaseURL: String?

    @Argument(help: "init, refresh or download.")
    var action: Action

    @Argument(help: "The root metadata to trust, for init.")
    var trustedRoot: String?

    func validate() throws {
        switch action {
        case .`init`:
            guard trustedRoot != nil else { throw ValidationError("init needs the file of the trusted root.") }
        case .refresh:
            guard metadataURL != nil else { throw ValidationError("refresh needs --metadata-url.") }
        case .download:
            guard metadataURL != nil, targetDir != nil, targetBaseURL != nil, !targetName.isEmpty else {
                throw ValidationError(
                    "download needs --metadata-url, --target-name, --target-dir and --target-base-url.")
            }
        }
    }

    func run() async throws {
        let store = try FileMetadataStore(folder: metadataDir)
        if action == .`init` {
            let root = try LocalFile.read(trustedRoot ?? "", limit: Limits.tufRootBytes)
            _ = try TrustedMetadataSet(trustedRoot: root, limits: TUFClientLimits(), referenceTime: Self.now)
            try store.save(TopLevelRole.root.rawValue, root)
            return
        }
        guard let root = try store.load(TopLevelRole.root.rawValue) else {
            throw TUFError(.outOfOrder, role: RootMetadata.type, "\(metadataDir) holds no root.json; run init first.")
        }
        let metadata = try BaseURL(metadataURL ?? "")
        let http = try HTTPClient(origin: metadata.origin)
        do {
            let client = try TUFClient(
                trustedRoot: root, fetcher: HTTPMetadataFetcher(http: http, prefix: metadata.path), store: store)
            try await client.refresh(now: Self.now)
            if action == .download {
                let base = try BaseURL(targetBaseURL ?? "")
                try await download(client, from: base)
            }
        } catch {
            await http.close()
            throw error
        }
        await http.close()
    }

    private func download(_ client: TUFClient, from base: BaseURL) async throws {
        let http = try HTTPClient(origin: base.origin)
        let download = TargetDownload(client: client, http: http, base: base, folder: targetDir ?? "")
        do {
            for path in targetName { try await download.run(path) }
        } catch {
            await http.close()
            throw error
        }
        await http.close()
    }

    private static var now: Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(seconds: Int64(time.tv_sec))
    }
}

/// A URL that file names are appended to.
struct BaseURL {
    let origin: Origin
    /// Begins and ends with a slash.
    let path: String

    init(_ text: String) throws {
        guard let scheme = text.firstRange(of: "://") else { throw ValidationError("\(text) is not a URL.") }
        let slash = text[scheme.upperBound...].firstIndex(of: "/") ?? text.endIndex
        origin = try Origin(String(text[..<slash]))
        let rest = String(text[slash...])
        path = rest.hasSuffix("/") ? rest : rest + "/"
    }
}

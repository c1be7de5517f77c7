import ArgumentParser
import FleetSimulation
import Foundation
import MartletTypes
import Trust
import UnixSignals

/// `martlet-fleetsim run`.
struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Enrol devices and let them live until a signal ends it.",
        discussion: """
            The join token must be good for as many devices: `martlet token join --uses 1000`. Names are PREFIX-00000 \
            and so on; a second run against the same registry needs another --prefix. Equal seed and profile give \
            equal devices, whose installations come out equally.

            Exit codes: 64 wrong usage or profile, 69 registry not reached, 71 too few open files, 76 registry not \
            believed.

            Example: martlet-fleetsim run --join-file join.txt --devices 1000 --profile slow.yaml
            """)

    @Option(help: "The join token; others see it in the list of processes, so rather give --join-file.")
    var joinToken: String?
    @Option(help: "A file with the join token.") var joinFile: String?
    @Option(help: "The device listener, e.g. https://registry.example:8443, where it is not the token's.")
    var registry: String?
    @Option(help: "How many devices.") var devices = 100
    @Option(help: "What all that is random follows from.") var seed: UInt64 = 1
    @Option(help: "The first part of the devices' names.") var prefix = "sim"
    @Option(help: "A YAML file that says what the fleet is like (docs/fleetsim.md).") var profile: String?
    @Option(help: "What devices read of a release: none, metadata or blobs.") var fetch = FetchMode.none
    @Option(help: "Devices that are switched on each second.") var startsPerSecond = 200.0
    @Option(help: "How much faster than real time; instead of the profile's timeScale.") var timeScale: Double?
    @Option(help: "End after this many seconds.") var seconds: Double?
    @Option(help: "A file that gets a line of JSON for each enrolment, assignment and outcome.") var events: String?
    @Option(name: .shortAndLong, help: "How the summary is printed: table or json.") var output = OutputForm.table

    func validate() throws {
        guard (joinToken == nil) != (joinFile == nil) else {
            throw ValidationError("Give the join token by --join-file or --join-token.")
        }
    }

    func run() async throws {
        do {
            try await simulate()
        } catch let error as any MartletError {
            Self.complain("martlet-fleetsim: \(error)")
            throw ExitCode(Self.status(of: error))
        }
    }

    private func simulate() async throws {
        let fleet = try await Fleet(try options()) {
            Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000))
        }
        let log = try events.map { try EventLog(path: $0, fleet.events) }
        fleet.start()
        let (isQuiet, seconds) = (output == .json, seconds)
        // Whatever ends first ends the run: a signal, or the time.
        await withTaskGroup(of: Bool.self) { group in
            group.addTask {
                for await _ in await UnixSignalsSequence(trapping: .sigint, .sigterm) { return true }
                return true
            }
            group.addTask {
                guard let seconds else { return false }
                return (try? await Task.sleep(for: .seconds(seconds))) != nil
            }
            group.addTask {
                await Progress(isQuiet: isQuiet).follow(fleet)
                return false
            }
            group.addTask {
                await log?.write()
                return false
            }
            for await isOver in group where isOver { break }
            group.cancelAll()
        }
        let figures = try await fleet.stop()
        switch output {
        case .table: print(figures.line)
        case .json: print(String(decoding: try JSONText.encode(figures, pretty: true), as: UTF8.self))
        }
    }

    private func options() throws -> FleetOptions {
        var token = try JoinToken(parsing: try joinText())
        if let registry {
            token = JoinToken(
                registry: registry, rootDigest: token.rootDigest, caFingerprint: token.caFingerprint,
                secret: token.secret)
        }
        var fleet = try profile.map(ProfileFile.read) ?? FleetProfile()
        if let timeScale { fleet.timeScale = timeScale }
        return FleetOptions(
            token: token, devices: devices, seed: seed, prefix: prefix, profile: fleet, fetch: fetch,
            startsPerSecond: startsPerSecond)
    }

    private func joinText() throws -> String {
        guard let joinFile else { return joinToken ?? "" }
        guard let text = try? String(contentsOfFile: joinFile, encoding: .utf8) else {
            throw ValidationError("\(joinFile) cannot be read.")
        }
        return text.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Exit codes as in sysexits.h.
    private static func status(of error: any MartletError) -> Int32 {
        switch error.fault {
        case .caller: EX_USAGE
        case .transport: EX_UNAVAILABLE
        case .environment: EX_OSERR
        case .peer: EX_PROTOCOL
        case .us: EX_SOFTWARE
        }
    }

    static func complain(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }
}

/// How the summary is printed.
enum OutputForm: String, ExpressibleByArgument, CaseIterable {
    case table, json
}

extension FetchMode: ExpressibleByArgument {}

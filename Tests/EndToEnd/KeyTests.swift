import Foundation
import Glibc
import MartletAPI
import MartletTypes
import TestSupport
import Testing

/// Private keys as people keep them: behind passphrases, in a token, in a TPM; all by the real programs.
@Suite("Keys of operators and devices", .serialized)
struct KeyTests {
    private static let secret = "correct horse battery"
    /// Signs the namespace anew, whatever time it has left.
    private static let signing = ["trust", "renew", "--namespace", "clinic", "--within", "60d"]

    private func martlet(
        _ site: Site, _ arguments: [String], _ environment: [String: String] = [:]
    ) async throws -> Finished {
        try await run(
            Checkout.product("martlet"), arguments, environment: site.operatorEnvironment.merging(environment) { $1 })
    }

    /// A registry whose P-256 keys are encrypted, made with a passphrase from a file.
    private func site(_ name: String) async throws -> (site: Site, passphrase: String) {
        let site = try Site(name)
        let file = site.folder.file("passphrase")
        try Data((Self.secret + "\n").utf8).write(to: URL(fileURLWithPath: file))
        try await site.startRegistry()
        try await site.martlet("login", site.operatorAddress, "--token-file", site.folder.file("admin.token"))
        try await site.martlet(
            "trust", "init", "--namespace", "clinic", "--keys", site.folder.file("operator/keys"), "--key-type",
            "ecdsa-p256", "--passphrase-file", file)
        return (site, file)
    }

    @Test("P-256 keys of root, targets and namespace are encrypted on the disk and sign by each way to a passphrase")
    func passphrases() async throws {
        let (site, file) = try await site("keys")
        for name in ["root", "targets", "clinic"] {
            let path = site.folder.file("operator/keys/\(name).pem")
            #expect(try String(contentsOfFile: path, encoding: .utf8).hasPrefix("-----BEGIN ENCRYPTED PRIVATE KEY"))
            let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
            #expect(mode == 0o600)
        }
        let credentials = site.folder.file("credentials")
        try FileManager.default.createDirectory(atPath: credentials, withIntermediateDirectories: true)
        for name in ["martlet-passphrase", "other"] {
            try FileManager.default.copyItem(atPath: file, toPath: credentials + "/" + name)
        }
        let ways: [(options: [String], environment: [String: String])] = [
            (["--passphrase-file", file], [:]), ([], ["MARTLET_PASSPHRASE_FILE": file]),
            ([], ["CREDENTIALS_DIRECTORY": credentials]),
            (["--passphrase-credential", "other"], ["CREDENTIALS_DIRECTORY": credentials]),
            ([], ["CREDENTIALS_DIRECTORY": credentials, "MARTLET_PASSPHRASE_CREDENTIAL": "other"]),
        ]
        for way in ways {
            let done = try await martlet(site, Self.signing + way.options, way.environment)
            #expect(done.status == 0, "\(way): \(done.errors)")
        }
        let descriptor = try await run(
            "/bin/sh",
            ["-c", "exec \"$0\" \"$@\" --passphrase-fd 7 7<'\(file)'", Checkout.product("martlet")] + Self.signing,
            environment: site.operatorEnvironment)
        #expect(descriptor.status == 0, "\(descriptor.errors)")
        try await refusals(site)
        let published = try await martlet(
            site, ["publish", PublishTests.q4, "--as", "clinic/base:1.0.0", "--passphrase-file", file])
        #expect(published.status == 0, "\(published.errors)")
        let yanked = try await martlet(site, ["yank", "clinic/base:1.0.0", "--passphrase-file", file])
        #expect(yanked.status == 0, "\(yanked.errors)")
        try await site.stopRegistry()
    }

    private func refusals(_ site: Site) async throws {
        let wrong = site.folder.file("wrong")
        try Data("not this one\n".utf8).write(to: URL(fileURLWithPath: wrong))
        let cases: [(options: [String], code: String)] = [
            ([], "passphraseNeeded"), (["--passphrase-file", wrong], "badPassphrase"),
            (["--passphrase-file", "/nonexistent"], "passphraseUnreadable"),
            (["--passphrase-fd", "99"], "passphraseUnreadable"),
            (["--passphrase-credential", "x"], "passphraseUnreadable"),
            (["--passphrase-file", wrong, "--passphrase-fd", "0"], "usage"),
        ]
        for (options, code) in cases {
            let done = try await martlet(site, Self.signing + options + ["--output", "json"])
            #expect((64...78).contains(done.status) && done.errors.contains("\"\(code)\""), "\(options): \(done)")
            #expect(!done.errors.contains("not this one"))
        }
    }

    @Test("a terminal asks for a passphrase without showing it, twice where keys are made")
    func terminal() async throws {
        let site = try Site("tty")
        try await site.startRegistry()
        try await site.martlet("login", site.operatorAddress, "--token-file", site.folder.file("admin.token"))
        let keys = site.folder.file("operator/keys")
        let differing = try await typed(
            site, ["trust", "init", "--namespace", "clinic", "--keys", keys],
            [("Passphrase for the new keys: ", Self.secret), ("Again: ", "another")])
        #expect(differing.status == 65 && differing.errors.contains("differ"), "\(differing)")
        #expect(!FileManager.default.fileExists(atPath: keys + "/root.pem"))
        let made = try await typed(
            site, ["trust", "init", "--namespace", "clinic", "--keys", keys],
            [("Passphrase for the new keys: ", Self.secret), ("Again: ", Self.secret)])
        #expect(made.status == 0, "\(made)")
        let signed = try await typed(site, Self.signing, [("Passphrase of \(keys)/clinic.pem: ", Self.secret)])
        #expect(signed.status == 0, "\(signed)")
        for done in [differing, made, signed] {
            #expect(!done.output.contains(Self.secret) && !done.errors.contains(Self.secret))
        }
        try await site.stopRegistry()
    }

    /// Runs `martlet` at a terminal and types an answer to each prompt; its output is what the terminal showed of what
    /// was typed.
    private func typed(
        _ site: Site, _ arguments: [String], _ answers: [(prompt: String, text: String)]
    ) async throws -> Finished {
        var (master, slave): (Int32, Int32) = (-1, -1)
        try #require(openpty(&master, &slave, nil, nil, nil) == 0)
        defer { close(master) }
        let log = site.folder.file("typed-\(UUID().uuidString)")
        let process = try ChildProcess(
            Checkout.product("martlet"), arguments, environment: site.operatorEnvironment, input: .descriptor(slave),
            output: .nothing, errors: .file(log))
        close(slave)
        let terminal = master
        for (index, answer) in answers.enumerated() {
            try await eventually(within: 60, "martlet asks \(answer.prompt)") {
                var state = termios()
                tcgetattr(terminal, &state)
                let said = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
                let prompts = answers.prefix(index + 1).allSatisfy { said.contains($0.prompt) }
                return prompts && said.hasSuffix(answer.prompt) && state.c_lflag & tcflag_t(ECHO) == 0
            }
            let line = Array((answer.text + "\n").utf8)
            #expect(Glibc.write(master, line, line.count) == line.count)
        }
        let status = await process.wait()
        _ = fcntl(master, F_SETFL, O_NONBLOCK)
        var shown = [UInt8](repeating: 0, count: 4096)
        let count = max(0, Glibc.read(master, &shown, shown.count))
        return Finished(
            status: status, output: String(decoding: shown.prefix(count), as: UTF8.self),
            errors: try String(contentsOfFile: log, encoding: .utf8))
    }

    @Test(
        "root, targets and a namespace sign by keys in a PKCS#11 token, and a device serves what they signed",
        .enabled(if: Installed.everything || SoftToken.isInstalled, "SoftHSM is not here: scripts/bootstrap.sh full"))
    func token() async throws {
        let site = try Site("hsm")
        let token = try await SoftToken("owner", in: site.folder.file("hsm"))
        let other = try await SoftToken("clinic", in: site.folder.file("hsm"))
        let root = try await token.makeKey("root", id: "01")
        let targets = try await token.makeKey("targets", id: "02")
        let clinic = try await other.makeKey("release", id: "03")
        let pin = site.folder.file("pin")
        try Data((token.pin + "\n").utf8).write(to: URL(fileURLWithPath: pin))
        try await site.startRegistry()
        try await site.martlet("login", site.operatorAddress, "--token-file", site.folder.file("admin.token"))
        let made = try await martlet(
            site,
            [
                "trust", "init", "--root-key", root, "--targets-key", targets, "--key-for", "clinic=" + clinic,
                "--passphrase-file", pin,
            ], token.environment)
        #expect(made.status == 0, "\(made)")
        let published = try await martlet(
            site, ["publish", PublishTests.q4, "--as", "clinic/base:1.0.0", "--passphrase-file", pin],
            token.environment)
        #expect(published.status == 0, "\(published)")
        let renewed = try await martlet(
            site, ["trust", "renew", "--root-key", root, "--within", "3000d", "--passphrase-file", pin],
            token.environment)
        #expect(renewed.status == 0, "\(renewed)")
        let wrong = site.folder.file("wrong")
        try Data("00000000\n".utf8).write(to: URL(fileURLWithPath: wrong))
        let refused = try await martlet(
            site, Self.signing + ["--passphrase-file", wrong, "--output", "json"], token.environment)
        #expect(refused.status == 65 && refused.errors.contains("badPassphrase"), "\(refused)")
        let told = try await martlet(
            site, Self.signing + ["--key", clinic + "?pin-value=" + token.pin, "--output", "json"], token.environment)
        #expect(told.status == 65 && told.errors.contains("pinInURI") && !told.errors.contains(token.pin), "\(told)")
        // Short names: below them an engine has a socket.
        let device = try await site.startDevice("w1")
        try await site.martlet("fleets", "set", "all", "--selector", "")
        try await site.martlet("rollout", "start", "clinic/base:1.0.0", "--fleet", "all", "--slot", "t")
        try await site.waitUntilServing("w1", "t", "clinic/base:1.0.0")
        #expect(try await device.process.stop() == 0)
        try await site.stopRegistry()
    }

    @Test(
        "a device whose key is in its TPM enrols, proves itself in TLS and reports; the key is nowhere on its disk",
        .enabled(if: Installed.everything || SoftTPM.isInstalled, "swtpm is not here: scripts/bootstrap.sh full"))
    func tpm() async throws {
        let site = try Site("tpm")
        let folder = try TemporaryFolder("tpm")
        let tpm = try await SoftTPM(in: folder.path)
        let uri = try await tpm.makePersistentKey()
        try await site.startRegistry()
        try await site.initializeTrust()
        let join = site.folder.file("join")
        try await site.martlet("token", "join").output.write(toFile: join, atomically: true, encoding: .utf8)
        let configuration = site.folder.file("agent.json")
        try #"{"policy": {"otherSlots": ["clinic/*"]}, "deviceKey": {"location": "\#(uri)"}}"#
            .write(toFile: configuration, atomically: true, encoding: .utf8)
        let data = site.folder.file("device")
        let agent = Checkout.product("martlet-agent")
        let enrolled = try await run(
            agent, ["enrol", "--join-file", join, "--name", "ward-1", "--data", data, "--config", configuration],
            environment: tpm.environment)
        #expect(enrolled.status == 0, "\(enrolled)")
        let kept = try FileManager.default.contentsOfDirectory(atPath: data + "/identity")
        #expect(!kept.contains { $0.hasPrefix("key-") }, "\(kept)")
        let process = try RunningProcess(
            agent, ["run", "--data", data, "--gateway", "127.0.0.1:0"], environment: tpm.environment,
            log: site.folder.file("agent.log"))
        try await eventually(within: 60, "the registry hears of the device: \(process.output)") {
            guard process.isRunning else { throw NeverTrue(description: "the agent ended: \(process.output)") }
            // Told over TLS, which only the TPM's key opens.
            return try await site.device("ward-1").inventory != nil
        }
        #expect(try await process.stop() == 0)
        try await site.stopRegistry()
    }
}

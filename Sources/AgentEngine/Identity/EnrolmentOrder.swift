internal import AgentStore
internal import Glibc
package import MartletTypes
internal import Trust

/// What a person orders with `martlet-agent enrol`: text, checked here.
package struct EnrolmentOrder: Sendable {
    /// The join token, or the file that holds it (`-` is standard input): one of the two.
    package var join: String?
    package var joinFile: String?
    /// The device's name.
    package var name: String
    /// Labels as `KEY=VALUE`, on top of the configuration's.
    package var labels: [String]
    /// The data folder; made with its parents where it is absent.
    package var data: String
    /// The configuration file that the device keeps.
    package var config: String?
    /// Whether an identity that is there is replaced.
    package var force: Bool
    /// Where the passphrase of the device's key may be found (`$CREDENTIALS_DIRECTORY`).
    package var environment: [String: String]

    package init(
        join: String?, joinFile: String?, name: String, labels: [String], data: String, config: String?, force: Bool,
        environment: [String: String] = [:]
    ) {
        self.environment = environment
        self.join = join
        self.joinFile = joinFile
        self.name = name
        self.labels = labels
        self.data = data
        self.config = config
        self.force = force
    }

    /// What came of it.
    package struct Outcome: Sendable {
        package let device: DeviceID
        package let registry: String
        package let certificateEnds: Timestamp
        /// Whether an operator must approve the device before it gets anything.
        package let waitsForApproval: Bool
        /// What the device should still be told; nil where all is well.
        package let warning: String?
    }

    /// Checks the order, enrols, and keeps the configuration. Throws what `Enrolment.run` throws, `invalidValue`,
    /// `invalidConfiguration`, and `AgentStoreError` where the data folder cannot be used.
    package func carryOut(
        peer: any EnrolmentPeer = NetworkEnrolmentPeer(), clock: @escaping Clock = AgentClock.systemTime
    ) async throws -> Outcome {
        let token = try JoinToken(parsing: try tokenText())
        let device = try DeviceID(name)
        let configuration = try config.map { try AgentConfiguration.read(file: $0) } ?? AgentConfiguration()
        let given = try Self.merge(labels, onto: configuration.labels)
        try Self.makeFolders(data)
        let store = try await AgentStore.open(root: data, budget: configuration.disk)
        do {
            let former = try store.identity.load()
            // The same box again, and nothing said about labels: it keeps those that it had.
            let keepsLabels = given.values.isEmpty && config == nil && former?.device == device
            let outcome = try await enrol(
                Enrolment(store: store, keys: keys(configuration, store), peer: peer, clock: clock), token, device,
                keepsLabels ? former?.labels ?? given : given, isFresh: former == nil)
            await store.close()
            return outcome
        } catch {
            await store.close()
            throw error
        }
    }

    private func keys(_ configuration: AgentConfiguration, _ store: AgentStore) -> DeviceKeys {
        DeviceKeys(store: store.identity, settings: configuration.deviceKey, environment: environment)
    }

    private func enrol(
        _ enrolment: Enrolment, _ token: JoinToken, _ device: DeviceID, _ labels: Labels, isFresh: Bool
    ) async throws -> Outcome {
        // A new device has its policy before its identity: there is no moment in which it has none. One that is
        // enrolled again keeps its own until the registry has agreed.
        if let config, isFresh { try AgentConfiguration.adopt(file: config, data: data) }
        let identity = try await enrolment.run(token: token, device: device, labels: labels, force: force)
        if let config, !isFresh { try AgentConfiguration.adopt(file: config, data: data) }
        let kept = try AgentConfiguration.load(data: data, options: AgentOptions())
        return Outcome(
            device: identity.device, registry: identity.registry, certificateEnds: identity.notAfter,
            waitsForApproval: try await enrolment.waitsForApproval(),
            warning: kept.allowsNothing
                ? "The local policy allows no repository, so this device will run nothing. "
                    + #"Give --config with a policy, e.g. {"policy": {"otherSlots": ["clinic/*"]}}."#
                : nil)
    }

    private func tokenText() throws -> String {
        let text: String
        switch (join, joinFile) {
        case (let join?, nil): text = join
        case (nil, let file?):
            let path = file == "-" ? "/dev/stdin" : file
            guard let bytes = try RealFileSystem().contents(of: path, limit: AgentLimits.joinTokenBytes) else {
                throw AgentError(
                    .invalidConfiguration, "There is no file \(file).", remedy: "Check the path of --join-file.")
            }
            text = String(decoding: bytes, as: UTF8.self)
        default:
            throw InvalidValue(kind: "join token", value: "", rule: "either --join TOKEN or --join-file FILE")
        }
        return String(text.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }

    static func merge(_ texts: [String], onto base: Labels) throws(InvalidValue) -> Labels {
        var values: [String: String] = [:]
        for text in texts {
            guard let equals = text.firstIndex(of: "=") else {
                throw InvalidValue(kind: "label", value: text, rule: "KEY=VALUE")
            }
            let key = String(text[..<equals])
            guard values[key] == nil else {
                throw InvalidValue(kind: "label", value: text, rule: "each key once")
            }
            values[key] = String(text[text.index(after: equals)...])
        }
        return try Labels(base.values.merging(values) { $1 })
    }

    /// Makes the parents of the data folder; the store makes the folder itself.
    static func makeFolders(_ path: String) throws {
        var folder = ""
        for part in path.split(separator: "/").dropLast() {
            folder += (folder.isEmpty && !path.hasPrefix("/") ? "" : "/") + part
            if access(folder, F_OK) != 0 { try RealFileSystem().makeFolder(folder, mode: 0o755) }
        }
    }
}

extension AgentLimits {
    /// A file with a join token: one line of a few hundred bytes.
    static let joinTokenBytes = 16 * 1024
}

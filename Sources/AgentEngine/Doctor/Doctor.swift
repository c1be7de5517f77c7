internal import AgentStore
package import MartletTypes
internal import ModelRuntime

/// Looks at a device from outside, whether its agent runs or not, and says what is wrong and what to do.
///
/// Changes nothing: it reads files, asks the engine for its version, the registry for its newest metadata, and the
/// agent, where it runs, for its status.
package struct Doctor: Sendable {
    /// Where to look.
    package struct Scene: Sendable {
        /// The device's data folder.
        package var data: String
        package var options: AgentOptions
        package var environment: [String: String]
        /// Where `/proc`, `/sys`, `/run` and `/etc` are found; empty for the machine's own.
        package var root: String
        package var clock: Clock
        /// Whether the kernel can confine engines whole.
        package var canConfine = Confinement.isAvailable
        /// Asks the kernel whether its clock is kept right; nil where it does not tell.
        package var kernelClock = HostQuestions.clockIsSynchronised

        package init(
            data: String, options: AgentOptions, environment: [String: String], root: String = "",
            clock: @escaping Clock = AgentClock.systemTime
        ) {
            self.data = data
            self.options = options
            self.environment = environment
            self.root = root
            self.clock = clock
        }
    }

    /// What is looked at, in this order; later checks use what earlier ones found.
    package enum Check: String, Sendable, CaseIterable {
        case configuration, processes, folder, disk, identity, clock, registry, trust, engine, models, gateway, box
    }

    /// What one check came to.
    enum Outcome {
        case found([Diagnosis.Finding])
        case skipped(String)
    }

    /// What is known of the device so far.
    struct Patient {
        var configuration: AgentConfiguration?
        var status: AgentStatus?
        /// The process that answers for the data folder.
        var agent: LocalSocket.Peer?
        var identity: DeviceIdentity?
        /// Engines whose programs run, by name.
        var engines: [String: EngineBinary] = [:]
        /// What is installed, by the links on the disk.
        var slots: [SlotRecord] = []
        /// Why that cannot be told.
        var slotTrouble: String?
    }

    var scene: Scene
    /// The agent's unit, where it is for this data folder.
    var unit: AgentUnit?
    let files: any FileSystem = RealFileSystem()
    var layout: StoreLayout { StoreLayout(root: scene.data) }

    package init(_ scene: Scene) { self.scene = scene }

    /// Makes all checks. Takes up to a minute where the registry does not answer.
    package func examine() async -> Diagnosis { await informed.examineAll() }

    private func examineAll() async -> Diagnosis {
        var patient = Patient()
        var diagnosis = Diagnosis(data: scene.data, agentRuns: false, findings: [], passed: [], skipped: [])
        for check in Check.allCases {
            switch await outcome(of: check, &patient) {
            case .found(let findings) where findings.isEmpty: diagnosis.passed.append(check.rawValue)
            case .found(let findings): diagnosis.findings += findings
            case .skipped(let reason):
                diagnosis.skipped.append(Diagnosis.Skipped(check: check.rawValue, reason: reason))
            }
        }
        diagnosis.agentRuns = patient.status != nil
        // Sorting keeps the order of equals.
        diagnosis.findings = Diagnosis.Severity.allCases.reversed().flatMap { severity in
            diagnosis.findings.filter { $0.severity == severity }
        }
        return diagnosis
    }

    private func outcome(of check: Check, _ patient: inout Patient) async -> Outcome {
        switch check {
        case .configuration: configuration(&patient)
        case .processes: await processes(&patient)
        case .folder: folder(patient)
        case .disk: disk(patient)
        case .identity: identity(&patient)
        case .clock: clock()
        case .registry: await registry(patient)
        case .trust: trust(patient)
        case .engine: await engine(&patient)
        case .models: await models(&patient)
        case .gateway: gateway(patient)
        case .box: box(patient)
        }
    }

    /// A small text file below the scene's root; nil where it cannot be read.
    func text(_ path: String) -> String? {
        do {
            let bytes = try files.contents(of: scene.root + path, limit: AgentLimits.doctorFileBytes)
            return bytes.map { String(decoding: $0, as: UTF8.self) }
        } catch {
            return nil
        }
    }

    /// Names in a folder; none where it cannot be read.
    func names(in path: String) -> [String] {
        do { return try files.names(in: path) } catch { return [] }
    }
}

extension AgentLimits {
    /// A file that the doctor looks into: metadata of a large namespace is the largest.
    static let doctorFileBytes = 16 * 1024 * 1024
    /// Processes that are looked at for a second agent.
    static let doctorProcesses = 65_536
    /// Time for the registry to answer the doctor.
    static let doctorPatience = Duration.seconds(10)
    /// A certificate that ends within this is told of; renewals begin long before.
    static let certificateWarning = Duration.seconds(7 * 86_400)
}

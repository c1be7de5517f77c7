internal import AgentStore
internal import DeviceProfiles
internal import Glibc
internal import MartletTypes
internal import ModelRuntime
internal import Trust

extension Doctor {
    /// The programs of the engines that this device is to run: that they are there and run, and that something can
    /// start them.
    func engine(_ patient: inout Patient) async -> Outcome {
        let configuration = patient.configuration ?? AgentConfiguration()
        var findings: [Diagnosis.Finding] = []
        if configuration.engine.confinement.mode == .required, !scene.canConfine {
            findings.append(
                Ailment.confinementUnavailable.found(
                    at: "engine.confine", "Engines must be confined, and this kernel has no Landlock."))
        }
        findings += launcher(configuration.engine)
        do {
            patient.slots = try await GenerationStore(layout: layout, files: files).recover()
        } catch {
            patient.slotTrouble = error.message
        }
        findings += await llama(&patient, configuration)
        for engine in configuration.declared { findings += await declared(engine, &patient) }
        return .found(findings)
    }

    private func llama(_ patient: inout Patient, _ configuration: AgentConfiguration) async -> [Diagnosis.Finding] {
        let path: String
        do {
            path = try EngineLookup(named: configuration.engine.llamaServer, environment: scene.environment).path()
        } catch {
            return needsLlama(patient, configuration) ? [missing(configuration.engine, error)] : []
        }
        do {
            let binary = try await EngineBinary.probe(path: path)
            patient.engines[binary.name] = binary
            // A program that does not tell its version said why it does not run.
            return binary.version == nil ? await complaint(path) : []
        } catch {
            return [Ailment.engineNotStarting.found(at: path, error.message)]
        }
    }

    /// Whether something is to run by the device's own `llama-server`: it was named, a slot serves by it, or nothing
    /// else could serve at all. Where engines are declared or come as releases it may well not be there.
    private func needsLlama(_ patient: Patient, _ configuration: AgentConfiguration) -> Bool {
        let name = InstalledEngines.llama
        if named(configuration.engine) != nil { return true }
        if patient.serving.contains(where: { $0.engine.name == name && $0.build == nil }) { return true }
        return configuration.declared.isEmpty && configuration.policy.engineNamespace == nil
    }

    private func named(_ settings: EngineSettings) -> String? {
        settings.llamaServer ?? scene.environment["MARTLET_LLAMA_SERVER"].flatMap { $0.isEmpty ? nil : $0 }
    }

    private func missing(_ settings: EngineSettings, _ error: RuntimeError) -> Diagnosis.Finding {
        let named = named(settings)
        guard let named, files.status(named)?.kind == .file, access(named, X_OK) != 0 else {
            return Ailment.engineMissing.found(at: named ?? "PATH", error.message)
        }
        return Ailment.engineNotExecutable.found(at: named, "It is there, and this user may not execute it.")
    }

    private func complaint(_ path: String) async -> [Diagnosis.Finding] {
        let said = await EngineBinary.complaint(of: path)
        let line = said.split(separator: "\n").first.map { String($0.prefix(200)) } ?? "nothing"
        if said.contains("error while loading shared libraries") || said.contains("cannot open shared object file") {
            return [Ailment.engineLibraryMissing.found(at: path, "A library of the engine is missing: \(line).")]
        }
        return [
            Ailment.engineNotStarting.found(at: path, "It does not tell its version with --version; it says: \(line).")
        ]
    }

    /// An engine that the owner declared: its program, and the one that tells its version.
    private func declared(_ engine: ProcessEngine, _ patient: inout Patient) async -> [Diagnosis.Finding] {
        do {
            patient.engines[engine.name] = try await EngineBinary.probe(engine)
            return []
        } catch {
            let place = "engines.\(engine.name)"
            guard error.kind == .engineMissing else {
                return [
                    Ailment.engineNotStarting.found(
                        at: place, error.message, remedy: "Run its versionCommand by hand and read what it says.")
                ]
            }
            return [Ailment.declaredEngineMissing.found(at: place, error.message)]
        }
    }

    /// What is installed: whether its engine is there and new enough for it, and whether memory holds it.
    func models(_ patient: inout Patient) async -> Outcome {
        if let trouble = patient.slotTrouble { return .skipped(trouble) }
        let configuration = patient.configuration ?? AgentConfiguration()
        var hardware: DeviceHardware
        do {
            hardware = try DeviceHardware.read(
                probe: probe, profile: configuration.profile, engines: { _ in [:] })
        } catch {
            return .skipped(ErrorSummary(error).message)
        }
        let traits = Dictionary(configuration.declared.map { ($0.name, $0.traits) }) { first, _ in first }
        hardware.traits = { traits[$0] ?? .llama }
        hardware.memoryLimit = configuration.slots.memoryBudget
        var findings: [Diagnosis.Finding] = []
        for record in patient.serving {
            if let finding = engine(of: record, patient) { findings.append(finding) }
            if let finding = size(of: record, hardware) { findings.append(finding) }
        }
        for slot in patient.status?.slots ?? [] {
            guard let override = slot.override else { continue }
            findings.append(
                Ailment.slotBlocked.found(
                    at: "slot \(slot.slot)", "It does not run what is assigned: \(override)",
                    remedy: "`martlet-agent explain \(slot.slot)` tells more."))
        }
        return .found(findings)
    }

    /// The engine that a generation runs by: its own build, else the device's of that name.
    private func engine(of record: GenerationRecord, _ patient: Patient) -> Diagnosis.Finding? {
        let name = record.engine.name
        let place = "slot \(record.slot)"
        let told: (version: String?, place: String)
        if let build = record.build {
            told = (build.version.text, "its own build \(build.name)")
        } else if let binary = patient.engines[name] {
            told = (binary.version, binary.path)
        } else {
            // Whose program is not there was told already.
            let known = [InstalledEngines.llama] + (patient.configuration?.declared.map(\.name) ?? [])
            guard patient.configuration != nil, !known.contains(name) else { return nil }
            return Ailment.declaredEngineMissing.found(
                at: place, "\(names(of: record)) needs the engine \(name), which the configuration does not declare.")
        }
        guard let least = record.engine.minVersion else { return nil }
        if let version = told.version.flatMap({ try? SemanticVersion($0) }), version >= least { return nil }
        return Ailment.engineTooOld.found(
            at: place,
            "\(names(of: record)) needs \(name) \(least) or newer; \(told.place) is "
                + "\(told.version ?? "of an unknown version").",
            remedy: name == InstalledEngines.llama ? nil : "Install a newer \(name); the agent sees it by itself.")
    }

    /// Against all memory of the box less what is reserved: what does not fit into that never will.
    private func size(of record: GenerationRecord, _ hardware: DeviceHardware) -> Diagnosis.Finding? {
        var memory = hardware.probe.memory()
        memory.available = memory.total
        memory.cgroupUsed = memory.cgroupLimit == nil ? memory.cgroupUsed : .zero
        let profiled = hardware.profile.memoryRoom(memory)
        let room = [profiled, hardware.memoryLimit].compactMap(\.self).min() ?? profiled
        let needs = hardware.memory(of: record)
        guard memory.total != nil, needs > room else { return nil }
        return Ailment.modelDoesNotFit.found(
            at: "slot \(record.slot)",
            "\(names(of: record)) needs about \(needs) of memory, and engines may have \(room) on this box.")
    }

    private func names(of record: GenerationRecord) -> String {
        record.paths.map(\.reference).joined(separator: "+")
    }
}

extension Doctor.Patient {
    /// What serves in the slots, the agent's own program aside.
    var serving: [GenerationRecord] { slots.compactMap(\.current).filter { $0.slot != SlotName.agent } }
}

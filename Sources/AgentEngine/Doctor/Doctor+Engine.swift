internal import AgentStore
internal import DeviceProfiles
internal import Glibc
internal import MartletTypes
internal import ModelRuntime

extension Doctor {
    /// The engine's program: that it is there and runs.
    func engine(_ patient: inout Patient) async -> Outcome {
        let settings = (patient.configuration ?? AgentConfiguration()).engine
        var findings: [Diagnosis.Finding] = []
        if settings.confinement.mode == .required, !scene.canConfine {
            findings.append(
                Ailment.confinementUnavailable.found(
                    at: "engine.confine", "Engines must be confined, and this kernel has no Landlock."))
        }
        let path: String
        do {
            path = try EngineLookup(named: settings.llamaServer, environment: scene.environment).path()
        } catch {
            findings.append(missing(settings, error))
            return .found(findings)
        }
        do {
            let binary = try await EngineBinary.probe(path: path)
            patient.engine = binary
            // A program that does not tell its version said why it does not run.
            if binary.version == nil { findings += await complaint(path) }
        } catch {
            findings.append(Ailment.engineNotStarting.found(at: path, error.message))
        }
        return .found(findings)
    }

    private func missing(_ settings: EngineSettings, _ error: RuntimeError) -> Diagnosis.Finding {
        let named = settings.llamaServer ?? scene.environment["MARTLET_LLAMA_SERVER"]
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

    /// What is installed: whether the engine is new enough for it, and whether memory holds it.
    func models(_ patient: inout Patient) async -> Outcome {
        do {
            patient.slots = try await GenerationStore(layout: layout, files: files).recover()
        } catch {
            return .skipped(error.message)
        }
        let hardware: DeviceHardware
        do {
            hardware = try DeviceHardware.read(
                probe: HardwareProbe(root: scene.root.isEmpty ? "/" : scene.root, storagePaths: [scene.data]),
                engines: { _ in [:] })
        } catch {
            return .skipped(ErrorSummary(error).message)
        }
        var findings: [Diagnosis.Finding] = []
        for slot in patient.slots {
            guard let record = slot.current else { continue }
            if let finding = age(of: patient.engine, for: record) { findings.append(finding) }
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

    private func age(of engine: EngineBinary?, for record: GenerationRecord) -> Diagnosis.Finding? {
        guard let engine, let least = record.engine.minVersion else { return nil }
        if let version = engine.version.flatMap({ try? SemanticVersion($0) }), version >= least { return nil }
        return Ailment.engineTooOld.found(
            at: "slot \(record.slot)",
            "\(names(of: record)) needs \(record.engine.name) \(least) or newer; \(engine.path) is "
                + "\(engine.version ?? "of an unknown version").")
    }

    /// Against all memory of the box less what is reserved: what does not fit into that never will.
    private func size(of record: GenerationRecord, _ hardware: DeviceHardware) -> Diagnosis.Finding? {
        var memory = hardware.probe.memory()
        memory.available = memory.total
        memory.cgroupUsed = memory.cgroupLimit == nil ? memory.cgroupUsed : .zero
        let room = hardware.profile.memoryRoom(memory)
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

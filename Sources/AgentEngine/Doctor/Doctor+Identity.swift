internal import AgentStore
internal import DeviceProfiles
internal import MartletTypes
internal import Trust

extension Doctor {
    /// Who the device is, by what certificate and key.
    func identity(_ patient: inout Patient) -> Outcome {
        let place = layout.identity + "/device.json"
        let store = IdentityStore(folder: layout.identity)
        let identity: DeviceIdentity
        do {
            guard let known = try store.load() else {
                return .found([Ailment.notEnrolled.found(at: scene.data, "This device has no identity yet.")])
            }
            identity = known
        } catch {
            guard error.reason == .malformed else { return .skipped(error.message) }
            return .found([Ailment.identityDamaged.found(at: place, error.message)])
        }
        patient.identity = identity
        var findings = exposure()
        guard !identity.isAirGapped else { return .found(findings) }
        findings += key(of: identity, store, patient)
        findings += certificate(of: identity, at: place)
        return .found(findings)
    }

    /// Keys that others than the agent's user may read.
    private func exposure() -> [Diagnosis.Finding] {
        let keys = names(in: layout.identity).filter { $0.hasPrefix("key-") }.map { "\(layout.identity)/\($0)" }
        return keys.compactMap { path in
            guard let mode = files.status(path)?.mode, mode & 0o077 != 0 else { return nil }
            return Ailment.keyExposed.found(
                at: path, "The device's private key has the permissions \(octal(mode)): others may read it.")
        }
    }

    private func key(
        of identity: DeviceIdentity, _ store: IdentityStore, _ patient: Patient
    ) -> [Diagnosis.Finding] {
        let place = IdentityStore.isOwnKey(identity.key) ? "\(layout.identity)/\(identity.key)" : identity.key
        let keys = DeviceKeys(
            store: store, settings: (patient.configuration ?? AgentConfiguration()).deviceKey,
            environment: scene.environment)
        do {
            let key = try keys.current(identity)
            let facts = try CertificateFacts(Array(identity.certificate.utf8))
            guard facts.publicKeyDER != key.publicKeyDER else { return [] }
            return [Ailment.keyUnusable.found(at: place, "The key is not the one that the certificate is for.")]
        } catch let error as AgentStoreError {
            guard error.reason == .missingFile else { return [] }
            return [Ailment.keyMissing.found(at: place, error.message)]
        } catch {
            return [Ailment.keyUnusable.found(at: place, "The key cannot be used: \(ErrorSummary(error).message)")]
        }
    }

    private func certificate(of identity: DeviceIdentity, at place: String) -> [Diagnosis.Finding] {
        let now = scene.clock()
        let span = "from \(identity.notBefore) to \(identity.notAfter)"
        if identity.notAfter <= now {
            return [
                Ailment.certificateExpired.found(at: place, "The device's certificate held \(span); now is \(now).")
            ]
        }
        if identity.notBefore > now + AgentLimits.clockTolerance {
            return [
                Ailment.certificateNotYetValid.found(
                    at: place, "The device's certificate holds \(span); now is \(now).")
            ]
        }
        let life = identity.notAfter - identity.notBefore
        guard identity.renewAt <= now, identity.notAfter - now < min(AgentLimits.certificateWarning, life / 6) else {
            return []
        }
        return [
            Ailment.certificateEndsSoon.found(
                at: place, "The device's certificate ends \(identity.notAfter) and should have been renewed.")
        ]
    }

    /// The system clock, by what is known of the time.
    func clock() -> Outcome {
        let now = scene.clock()
        if now < AgentClock.buildTime - AgentLimits.clockTolerance {
            return .found([
                Ailment.clockBehind.found(
                    at: "clock", "The clock says \(now), but this version was made \(AgentClock.buildTime).")
            ])
        }
        let latest = AgentClock.buildTime + AgentLimits.clockHorizon
        if now > latest {
            return .found([
                Ailment.clockAhead.found(at: "clock", "The clock says \(now), which is after \(latest).")
            ])
        }
        return synchronisation()
    }

    /// Whether something keeps the clock right, by the kernel's word; where it says nothing, by systemd's file.
    private func synchronisation() -> Outcome {
        let facts = probe.facts()
        switch (facts.clockSynchronised, facts.timeService) {
        case (true, _): return .found([])
        case (false, nil):
            return .found([
                Ailment.clockNotSynchronised.found(
                    at: "clock", "Nothing keeps the clock right, and no time service is there.",
                    remedy: "Install a time service (systemd-timesyncd, chrony), or the clock drifts.")
            ])
        case (false, let service?):
            return .found([
                Ailment.clockNotSynchronised.found(
                    at: service, "The kernel says that nothing keeps its clock right, though \(service) is there.")
            ])
        case (nil, "systemd-timesyncd"):
            return .found([
                Ailment.clockNotSynchronised.found(
                    at: "/run/systemd/timesync", "The clock was not synchronised since the box started.")
            ])
        case (nil, _): return .skipped("the kernel does not tell whether something keeps the clock right")
        }
    }
}

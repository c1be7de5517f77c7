internal import AgentStore
internal import MartletTypes
internal import Trust

extension Doctor {
    /// Whom the device believes: root, metadata and the owner's trust document, as they are on the disk.
    func trust(_ patient: Patient) -> Outcome {
        guard patient.identity != nil else { return .skipped("the device is not enrolled") }
        var findings: [Diagnosis.Finding] = []
        do {
            _ = try IdentityStore(folder: layout.identity).root()
        } catch {
            findings.append(
                Ailment.rootMissing.found(at: layout.identity + "/root.json", ErrorSummary(error).message))
        }
        let names = names(in: layout.metadata).filter { $0.hasSuffix(".json") }
        guard names.contains("timestamp.json") else {
            findings.append(
                Ailment.metadataMissing.found(
                    at: layout.metadata, "The owner's metadata was never fetched, so nothing can be installed."))
            return .found(findings)
        }
        var expired: [String] = []
        for name in names {
            switch state(of: "\(layout.metadata)/\(name)") {
            case .damaged:
                findings.append(
                    Ailment.metadataDamaged.found(at: "\(layout.metadata)/\(name)", "This is no signed metadata."))
            case .expired(let time): expired.append("\(name.dropLast(5)) (\(time))")
            case .holds: break
            case .namesNoTrust:
                findings.append(
                    Ailment.trustDocumentMissing.found(
                        at: "\(layout.metadata)/\(name)", "The owner's targets do not name \(TrustDocument.path)."))
            }
        }
        if !expired.isEmpty {
            let list = expired.prefix(8).joined(separator: ", ")
            findings.append(
                Ailment.metadataExpired.found(
                    at: layout.metadata,
                    "Metadata has expired, so nothing new is installed; what serves goes on: \(list)."))
        }
        return .found(findings)
    }

    private enum MetadataState {
        case holds, damaged, namesNoTrust
        case expired(Timestamp)
    }

    /// Looks at what the file says, not at its signatures: those the agent checks.
    private func state(of path: String) -> MetadataState {
        do {
            guard let bytes = try files.contents(of: path, limit: AgentLimits.doctorFileBytes),
                let signed = try JSONValue(parsing: bytes)["signed"], let text = signed["expires"]?.string
            else { return .damaged }
            let expires = try Timestamp(text)
            if expires <= scene.clock() { return .expired(expires) }
            let isTopTargets = path.hasSuffix("/targets.json")
            guard isTopTargets, signed["targets"]?[TrustDocument.path] == nil else { return .holds }
            return .namesNoTrust
        } catch {
            return .damaged
        }
    }
}

internal import AgentStore
internal import MartletAPI
internal import MartletTypes
internal import RegistryClient
internal import TUF

extension Doctor {
    /// The way to the registry, by its newest timestamp: name, network, proxy, TLS in both directions, what it says.
    func registry(_ patient: Patient) async -> Outcome {
        guard let identity = patient.identity else { return .skipped("the device is not enrolled") }
        guard !identity.isAirGapped else { return .skipped("the device was enrolled without a registry") }
        let client: HTTPClient
        do {
            let keys = DeviceKeys(
                store: IdentityStore(folder: layout.identity),
                settings: (patient.configuration ?? AgentConfiguration()).deviceKey, environment: scene.environment)
            client = try HTTPClient(
                origin: Origin(identity.registry),
                configuration: HTTPClientConfiguration(
                    authorityPEM: Array(identity.authorities.joined(separator: "\n").utf8),
                    identity: ClientIdentity(
                        certificatePEM: Array(identity.certificate.utf8), key: try keys.current(identity)),
                    connectTimeout: AgentLimits.doctorPatience, patience: AgentLimits.doctorPatience,
                    userAgent: "martlet-agent/\(MartletVersion.text)"))
        } catch {
            return .skipped("the device's key cannot be used")
        }
        let failure = await ask(client, identity.registry)
        await client.close()
        return .found([failure, refusal(patient)].compactMap(\.self))
    }

    private func ask(_ client: HTTPClient, _ place: String) async -> Diagnosis.Finding? {
        let fetcher = HTTPMetadataFetcher(http: client, deadline: AgentLimits.doctorPatience * 2)
        do {
            let path = MetadataPath.file(TimestampMetadata.type)
            guard try await fetcher.fetch(path, limit: Limits.apiBodyBytes) == nil else { return nil }
            return Ailment.registryNotMartlet.found(
                at: place, "Something answers there, but has no metadata for devices.")
        } catch let error as ClientError {
            return finding(error, place)
        } catch {
            return Ailment.registryNotReached.found(at: place, ErrorSummary(error).message)
        }
    }

    /// libcurl's cause in the doctor's words.
    private func finding(_ error: ClientError, _ place: String) -> Diagnosis.Finding? {
        // Behind a proxy nothing but the proxy itself is resolved and connected to.
        let proxy = proxyVariable(for: place)
        let isOfProxy = proxy != nil && [.cannotResolve, .cannotConnect, .timedOut].contains(error.reason)
        let through = proxy.map { " (through the proxy that \($0) names)" } ?? ""
        let text = "The registry is not reached: \(error.detail)\(through)."
        switch error.reason {
        case _ where isOfProxy, .unexpectedStatus where error.status == 407:
            return Ailment.proxyNotReached.found(at: proxy ?? place, text)
        case .cannotResolve: return Ailment.registryNameUnknown.found(at: place, text)
        case .certificateUntrusted:
            let detail = error.detail.lowercased()
            let isName = ["subject name", "target host", "hostname", "ip address"].contains(where: detail.contains)
            let ailment = isName ? Ailment.registryNameMismatch : .registryAuthorityUnknown
            return ailment.found(at: place, "What answers there is not believed to be the registry: \(error.detail).")
        case .certificateRefused:
            return Ailment.registryRefusesCertificate.found(
                at: place, "The registry does not accept this device's certificate: \(error.detail).")
        case .problem, .unexpectedStatus:
            switch error.status ?? 0 {
            case 401, 403:
                return Ailment.registryRefusesDevice.found(
                    at: place, "The registry refuses this device: \(error.message)",
                    remedy: error.problem?.remedy)
            case 500...: return Ailment.registryFailing.found(at: place, "The registry fails: \(error.message)")
            default:
                return Ailment.registryNotMartlet.found(
                    at: place, "What answers there is no Martlet registry: \(error.message)")
            }
        case .tlsFailed, .malformedReply, .tooLarge, .redirected, .foreignOrigin:
            return Ailment.registryNotMartlet.found(
                at: place, "What answers there is no Martlet registry: \(error.detail).")
        default: return Ailment.registryNotReached.found(at: place, text)
        }
    }

    /// The variable that names a proxy for an address; nil where it is asked directly.
    private func proxyVariable(for address: String) -> String? {
        guard let origin = try? Origin(address), !origin.isLoopback else { return nil }
        let exempt = (scene.environment["no_proxy"] ?? scene.environment["NO_PROXY"] ?? "").split(separator: ",")
        let host = origin.host.lowercased()
        let isExempt = exempt.contains { entry in
            let name = entry.lowercased().drop { $0 == " " || $0 == "." }
            return name == "*" || host == name || host.hasSuffix("." + name)
        }
        guard !isExempt else { return nil }
        return ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"].first {
            !(scene.environment[$0] ?? "").isEmpty
        }
    }

    /// What the running agent was told.
    private func refusal(_ patient: Patient) -> Diagnosis.Finding? {
        guard let refusal = patient.status?.agent.refusal else { return nil }
        return Ailment.registryRefusesDevice.found(
            at: patient.identity?.registry ?? "", "The registry gives this device nothing: \(refusal)")
    }
}

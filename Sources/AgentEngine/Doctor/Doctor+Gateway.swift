internal import AgentStore
internal import Glibc
internal import MartletTypes
internal import ModelRuntime

extension Doctor {
    /// The local port, and the paths of sockets.
    func gateway(_ patient: Patient) -> Outcome {
        guard let gateway = patient.configuration?.gateway else { return .skipped("the configuration cannot be read") }
        let address = GatewayAddress.text(host: gateway.host, port: gateway.port)
        var findings: [Diagnosis.Finding] = []
        if !gateway.isLoopback, gateway.apiKeys.isEmpty {
            findings.append(
                Ailment.gatewayKeysRequired.found(
                    at: address, "The gateway would be open to the network without keys, and does not start so."))
        }
        if let path = gateway.unixSocketPath, path.utf8.count > RuntimeLimits.socketPathBytes {
            findings.append(tooLong(path))
        }
        // As long as the longest path that the slots here have had.
        let slot = patient.slots.map(\.slot.text).max { $0.utf8.count < $1.utf8.count } ?? "a-slot"
        let engine = "\(layout.run)/engines/\(slot)/1000/engine.sock"
        if engine.utf8.count > RuntimeLimits.socketPathBytes { findings.append(tooLong(engine)) }
        // The agent that runs has its port.
        if patient.status == nil, gateway.port != 0, let failure = listening(gateway) {
            let text = "The gateway cannot listen there: \(String(cString: strerror(failure)))."
            let ailment = failure == EADDRINUSE ? Ailment.gatewayPortTaken : .gatewayAddressUnusable
            findings.append(ailment.found(at: address, text))
        }
        return .found(findings)
    }

    private func tooLong(_ path: String) -> Diagnosis.Finding {
        Ailment.socketPathTooLong.found(
            at: path,
            "The path of a socket has \(path.utf8.count) bytes; \(RuntimeLimits.socketPathBytes) are possible.")
    }

    /// The errno of listening at the address; nil where it works.
    private func listening(_ gateway: GatewayConfiguration) -> Int32? {
        var hints = addrinfo()
        hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(gateway.host, String(gateway.port), &hints, &list) == 0, let list else {
            return EADDRNOTAVAIL
        }
        defer { freeaddrinfo(list) }
        let descriptor = socket(list.pointee.ai_family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return errno }
        defer { close(descriptor) }
        var one: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        guard bind(descriptor, list.pointee.ai_addr, list.pointee.ai_addrlen) == 0, listen(descriptor, 1) == 0 else {
            return errno
        }
        return nil
    }
}

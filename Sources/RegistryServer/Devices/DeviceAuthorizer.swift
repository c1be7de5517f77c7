import Hummingbird
import MartletAPI
import MartletTypes
import RegistryStore
import Trust

/// Proves devices: TLS verified that our authority signed the certificate; here it must be known, unrevoked and in
/// time, and its device active. Looked up at each request, so that a revocation works on open connections too.
struct DeviceAuthorizer: Authorizer {
    let core: RegistryCore

    func principal(
        for route: Route, style: RouteStyle, request: Request, context: ServerContext
    ) async throws -> Principal {
        switch route.access {
        case .open, .enrolling: return .anonymous
        case .atLeast: throw ServerError.noRoute
        case .device:
            guard let facts = try await context.peerCertificate() else {
                throw ServerError(
                    401, "certificateNeeded", "This needs the device's certificate.",
                    remedy: "Enrol the device with a join token.")
            }
            if let named = try? DeviceID(facts.commonName) { core.connections.note(named, context.channel) }
            let found = try await core.database.read {
                try DeviceStore($0).find(fingerprint: facts.sha256Fingerprint)
            }
            guard let (device, certificate) = found, device.device.text == facts.commonName else {
                throw ServerError.unknownDevice
            }
            try Self.check(device, certificate, now: core.clock())
            core.presence.saw(device.device)
            return .device(device.device)
        }
    }

    private static func check(_ device: DeviceRow, _ certificate: DeviceCertificate, now: Timestamp) throws {
        // Of a replaced box only the certificate is revoked: its name goes on with another.
        if certificate.revoked != nil, device.state != .revoked { throw ServerError.revokedDevice(device.device, nil) }
        if device.state == .revoked { try requireActive(device) }
        guard certificate.expires > now else {
            throw ServerError(
                401, "certificateExpired",
                "The certificate of device \(device.device) ended at \(certificate.expires).",
                remedy: "Renew it.")
        }
        try requireActive(device)
    }

    /// Throws 403 where a device may not do anything: `pendingDevice`, `heldDevice`, `revokedDevice`.
    static func requireActive(_ device: DeviceRow) throws {
        switch device.state {
        case .active: return
        case .revoked: throw ServerError.revokedDevice(device.device, device.stateReason)
        case .held:
            throw ServerError(
                403, "heldDevice", "Device \(device.device) is held: \(device.stateReason ?? "an operator must look").",
                remedy: "An operator must run `martlet devices replace \(device.device)` and enrol the right box.")
        case .pending:
            throw ServerError(
                403, "pendingDevice", "Device \(device.device) waits for an operator's approval.",
                remedy: "An operator runs `martlet devices approve \(device.device)`; the device goes on by itself.")
        }
    }
}

extension ServerError {
    static func revokedDevice(_ device: DeviceID, _ reason: String?) -> ServerError {
        let why = reason.flatMap { $0.isEmpty ? nil : ": \($0)" } ?? "."
        return ServerError(
            403, "revokedDevice", "The certificate of device \(device) was revoked\(why)",
            remedy: "Enrol the device again with the token of `martlet devices replace \(device)`.")
    }
}

package import HTTPTypes

/// One route of one of the two listeners, with who may call it. The server registers from these tables and refuses
/// all else; a test walks them.
package struct Route: Sendable, Hashable {
    /// The method.
    package let method: HTTPRequest.Method
    /// The path with `{name}` for parameters; `{name+}` at the end takes several segments.
    package let path: String
    /// Who may call it.
    package let access: Access
    /// Which limits of a token its handler holds. A token with any other limit is refused before the handler, so that
    /// a route that says nothing is closed to every limited token.
    package let limits: TokenLimits

    package init(_ method: HTTPRequest.Method, _ path: String, _ access: Access, limits: TokenLimits = []) {
        self.method = method
        self.path = path
        self.access = access
        self.limits = limits
    }
}

/// The operators' API. Paths of the OCI part are those of the distribution spec 1.1 and are routed by the server
/// itself.
package enum OperatorRoutes {
    package static let health = Route(.get, "/healthz", .open)
    package static let ready = Route(.get, "/readyz", .open)
    package static let metrics = Route(.get, "/metrics", .open)
    package static let openAPI = Route(.get, "/api/v1/openapi.yaml", .open)
    /// The certificate (PEM) of the registry's own authority, for who knows its fingerprint.
    package static let authority = Route(.get, "/api/v1/authority.pem", .open)
    package static let status = Route(.get, "/api/v1/status", .atLeast(.viewer), limits: .all)
    package static let whoAmI = Route(.get, "/api/v1/whoami", .atLeast(.viewer), limits: .all)

    package static let onlineKeys = Route(.get, "/api/v1/trust/online-keys", .atLeast(.admin))
    package static let initializeTrust = Route(.post, "/api/v1/trust/init", .atLeast(.admin))
    /// Makes the next key of an `OnlineKeyName`, to be used once owners have signed for it.
    package static let makeOnlineKey = Route(.post, "/api/v1/trust/online-keys/{name}", .atLeast(.admin))
    /// Several signed roles at once: of a namespace by its publishers, of the owner by an admin.
    package static let changeTrust = Route(.post, "/api/v1/trust/changes", .atLeast(.publisher), limits: .namespaces)
    package static let proposals = Route(.get, "/api/v1/trust/proposals", .atLeast(.viewer), limits: .namespaces)
    package static let proposal = Route(
        .get, "/api/v1/trust/proposals/{proposal}", .atLeast(.viewer), limits: .namespaces)
    package static let propose = Route(.post, "/api/v1/trust/proposals", .atLeast(.publisher), limits: .namespaces)
    package static let signProposal = Route(
        .put, "/api/v1/trust/proposals/{proposal}", .atLeast(.publisher), limits: .namespaces)
    package static let deleteProposal = Route(
        .delete, "/api/v1/trust/proposals/{proposal}", .atLeast(.publisher), limits: .namespaces)
    package static let putRole = Route(.put, "/api/v1/tuf/roles/{role}", .atLeast(.publisher), limits: .namespaces)
    /// Takes over what owner and publishers signed for another registry of theirs.
    package static let importMetadata = Route(.post, "/api/v1/tuf/import", .atLeast(.admin))
    /// Signs assignments, snapshot and timestamp for devices without a network.
    package static let signOffline = Route(.post, "/api/v1/offline", .atLeast(.operator))
    package static let metadata = Route(.get, "/tuf/{file}", .open)
    /// Targets that are no releases, by their consistent-snapshot names: `martlet/HASH.trust.json`.
    package static let target = Route(.get, "/tuf/targets/{path+}", .open)

    package static let releases = Route(.get, "/api/v1/releases", .atLeast(.viewer), limits: .all)
    package static let release = Route(.get, "/api/v1/releases/{path+}", .atLeast(.viewer), limits: .all)
    package static let block = Route(.post, "/api/v1/releases/block", .atLeast(.operator), limits: .namespaces)
    package static let aliases = Route(.get, "/api/v1/aliases", .atLeast(.viewer), limits: .all)
    package static let putAlias = Route(.put, "/api/v1/aliases", .atLeast(.operator), limits: .namespaces)

    package static let devices = Route(.get, "/api/v1/devices", .atLeast(.viewer), limits: .all)
    package static let device = Route(.get, "/api/v1/devices/{device}", .atLeast(.viewer), limits: .all)
    package static let deviceHistory = Route(.get, "/api/v1/devices/{device}/history", .atLeast(.viewer), limits: .all)
    package static let patchDevice = Route(.patch, "/api/v1/devices/{device}", .atLeast(.operator), limits: .fleets)
    /// Lets a device that waits have its assignments.
    package static let approveDevice = Route(
        .post, "/api/v1/devices/{device}/approve", .atLeast(.operator), limits: .fleets)
    /// Turns a device that waits away.
    package static let rejectDevice = Route(
        .post, "/api/v1/devices/{device}/reject", .atLeast(.operator), limits: .fleets)
    /// Refuses a device's certificates from the next request on; its history stays.
    package static let revokeDevice = Route(
        .post, "/api/v1/devices/{device}/revoke", .atLeast(.operator), limits: .fleets)
    package static let deleteDevice = Route(.delete, "/api/v1/devices/{device}", .atLeast(.operator), limits: .fleets)

    package static let fleets = Route(.get, "/api/v1/fleets", .atLeast(.viewer), limits: .all)
    package static let putFleet = Route(.put, "/api/v1/fleets/{fleet}", .atLeast(.operator))
    package static let deleteFleet = Route(.delete, "/api/v1/fleets/{fleet}", .atLeast(.operator))

    package static let rollouts = Route(.get, "/api/v1/rollouts", .atLeast(.viewer), limits: .all)
    package static let startRollout = Route(.post, "/api/v1/rollouts", .atLeast(.operator), limits: .all)
    package static let planRollout = Route(.post, "/api/v1/rollouts/plan", .atLeast(.operator), limits: .all)
    package static let rollout = Route(.get, "/api/v1/rollouts/{rollout}", .atLeast(.viewer), limits: .all)
    package static let changeRollout = Route(
        .post, "/api/v1/rollouts/{rollout}/{action}", .atLeast(.operator), limits: .all)
    package static let rollback = Route(.post, "/api/v1/rollbacks", .atLeast(.operator), limits: .all)

    package static let telemetry = Route(.get, "/api/v1/telemetry", .atLeast(.viewer), limits: .all)
    package static let audit = Route(.get, "/api/v1/audit", .atLeast(.viewer))
    /// A `SignedEnvelope` of an `AuditCheckpoint`.
    package static let auditCheckpoint = Route(.get, "/api/v1/audit/checkpoint", .atLeast(.viewer))
    /// Query `size` with `row` (inclusion) or `from` (consistency).
    package static let auditProof = Route(.get, "/api/v1/audit/proof", .atLeast(.viewer))
    package static let tokens = Route(.get, "/api/v1/tokens", .atLeast(.admin))
    package static let createToken = Route(.post, "/api/v1/tokens", .atLeast(.admin))
    package static let deleteToken = Route(.delete, "/api/v1/tokens/{token}", .atLeast(.admin))
    package static let createJoinToken = Route(.post, "/api/v1/join-tokens", .atLeast(.operator))
    package static let joinTokens = Route(.get, "/api/v1/join-tokens", .atLeast(.operator))
    package static let deleteJoinToken = Route(.delete, "/api/v1/join-tokens/{token}", .atLeast(.operator))

    /// Every route above.
    package static let all: [Route] =
        [
            health, ready, metrics, openAPI, authority, status, whoAmI, onlineKeys, initializeTrust, makeOnlineKey,
            changeTrust, proposals, proposal, propose, signProposal, deleteProposal, putRole, importMetadata,
            signOffline,
            metadata, target,
            releases,
            release, block, aliases, putAlias, devices, device, deviceHistory, patchDevice, approveDevice,
            rejectDevice, revokeDevice, deleteDevice, fleets, putFleet,
            deleteFleet, rollouts, startRollout, planRollout, rollout, changeRollout, rollback, telemetry, audit,
            auditCheckpoint, auditProof, tokens,
            createToken, deleteToken, createJoinToken, joinTokens, deleteJoinToken,
        ] + ofEvents + ofRollouts
}

/// The devices' API on the mTLS listener, which also serves `/tuf/` and reads of `/v2/`.
package enum DeviceRoutes {
    package static let enrol = Route(.post, "/device/v1/enrol", .enrolling)
    package static let renewalNonce = Route(.post, "/device/v1/renew/nonce", .enrolling)
    package static let renew = Route(.post, "/device/v1/renew", .enrolling)
    package static let inventory = Route(.put, "/device/v1/inventory", .device)
    /// Long poll; query `number`, `wait` (seconds), `snapshot`, `timestamp`, `journal`. 200 with a signed
    /// assignment, or 204 when nothing above `number` came within `wait`.
    package static let assignment = Route(.get, "/device/v1/assignment", .device)
    package static let reports = Route(.post, "/device/v1/reports", .device)
    /// OTLP/HTTP metrics as JSON; `Martlet-Journal` and `Martlet-Sequence` make it idempotent.
    package static let telemetry = Route(.post, "/device/v1/otlp/v1/metrics", .device)
    package static let metadata = Route(.get, "/tuf/{file}", .open)
    /// Targets that are no releases, by their consistent-snapshot names: `martlet/HASH.trust.json`.
    package static let target = Route(.get, "/tuf/targets/{path+}", .open)
    package static let health = Route(.get, "/healthz", .open)

    /// Every route above.
    package static let all: [Route] = [
        enrol, renewalNonce, renew, inventory, assignment, reports, telemetry, metadata, target, health,
    ]
}

/// Header fields of our own.
package enum MartletFields {
    /// The journal identity of the agent that sends.
    package static let journal = "Martlet-Journal"
    /// The sequence number of what is sent, within the journal.
    package static let sequence = "Martlet-Sequence"
    /// Which root and top-level targets a registry has, e.g. `3.7`: devices follow owners' changes by it.
    package static let trust = "Martlet-Trust"
    /// Makes a repeated write a no-op (draft-ietf-httpapi-idempotency-key-header).
    package static let idempotencyKey = "Idempotency-Key"
}

extension Route {
    /// The path with its parameters filled in, each percent-encoded; `{name+}` keeps its slashes.
    package func path(_ parameters: [String: String] = [:]) -> String {
        path.split(separator: "/", omittingEmptySubsequences: false).map { segment -> String in
            guard segment.hasPrefix("{"), segment.hasSuffix("}") else { return String(segment) }
            let name = segment.dropFirst().dropLast()
            let several = name.hasSuffix("+")
            let value = parameters[String(several ? name.dropLast() : name)] ?? ""
            return PercentEncoding.encode(value, keepingSlashes: several)
        }.joined(separator: "/")
    }
}

/// Percent-encoding of path segments and query values (RFC 3986): all but unreserved characters.
package enum PercentEncoding {
    /// Encodes `text`; slashes stay where asked.
    package static func encode(_ text: String, keepingSlashes: Bool = false) -> String {
        var bytes: [UInt8] = []
        let digits = Array("0123456789ABCDEF".utf8)
        for byte in text.utf8 {
            let isAlphanumeric =
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            if isAlphanumeric || "-._~".utf8.contains(byte) || (keepingSlashes && byte == UInt8(ascii: "/")) {
                bytes.append(byte)
            } else {
                bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

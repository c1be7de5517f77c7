package import MartletAPI
package import MartletTypes

extension OperatorClient {
    // MARK: - Devices and fleets

    /// All devices, those that a selector selects where given.
    package func devices(selector: LabelSelector? = nil) async throws(ClientError) -> [DeviceInfo] {
        let query = selector.map { ["selector": $0.text] } ?? [:]
        return try await api.list(OperatorRoutes.devices, query: query, of: DeviceInfo.self)
    }

    /// One device with its inventory.
    package func device(_ device: DeviceID) async throws(ClientError) -> DeviceInfo {
        try await api.get(OperatorRoutes.device, ["device": device.text], as: DeviceInfo.self)
    }

    /// What a device reported, newest first.
    package func history(of device: DeviceID) async throws(ClientError) -> [DeviceReport] {
        try await api.list(OperatorRoutes.deviceHistory, ["device": device.text], of: DeviceReport.self)
    }

    /// Changes a device's labels.
    package func patchDevice(_ device: DeviceID, _ patch: DevicePatch) async throws(ClientError) -> DeviceInfo {
        try await api.send(OperatorRoutes.patchDevice, ["device": device.text], body: patch, as: DeviceInfo.self)
    }

    /// Revokes a device's certificate and forgets the device.
    package func deleteDevice(_ device: DeviceID) async throws(ClientError) {
        try await api.send(OperatorRoutes.deleteDevice, ["device": device.text])
    }

    /// All fleets.
    package func fleets() async throws(ClientError) -> [Fleet] {
        try await api.list(OperatorRoutes.fleets, of: Fleet.self)
    }

    /// Makes or changes a fleet.
    package func putFleet(_ fleet: Fleet) async throws(ClientError) -> Fleet {
        try await api.send(OperatorRoutes.putFleet, ["fleet": fleet.name.text], body: fleet, as: Fleet.self)
    }

    /// Removes a fleet; its devices stay.
    package func deleteFleet(_ name: FleetName) async throws(ClientError) {
        try await api.send(OperatorRoutes.deleteFleet, ["fleet": name.text])
    }

    // MARK: - Rollouts

    /// All rollouts, newest first.
    package func rollouts() async throws(ClientError) -> [RolloutInfo] {
        try await api.list(OperatorRoutes.rollouts, of: RolloutInfo.self)
    }

    /// One rollout with its devices and decisions.
    package func rollout(_ id: RolloutID) async throws(ClientError) -> RolloutInfo {
        try await api.get(OperatorRoutes.rollout, ["rollout": id.text], as: RolloutInfo.self)
    }

    /// The waves that a rollout would have.
    package func planRollout(_ request: RolloutRequest) async throws(ClientError) -> RolloutPlan {
        try await api.send(OperatorRoutes.planRollout, body: request, as: RolloutPlan.self)
    }

    /// Starts a rollout.
    package func startRollout(_ request: RolloutRequest) async throws(ClientError) -> RolloutInfo {
        try await api.send(OperatorRoutes.startRollout, body: request, as: RolloutInfo.self)
    }

    /// Steers a rollout: pauses, resumes, confirms, retries, aborts or rolls back.
    package func changeRollout(
        _ id: RolloutID, _ action: RolloutAction, _ change: RolloutChange = RolloutChange()
    ) async throws(ClientError) -> RolloutInfo {
        try await api.send(
            OperatorRoutes.changeRollout, ["rollout": id.text, "action": action.rawValue], body: change,
            as: RolloutInfo.self)
    }

    /// Why a rollout, or one device in it, is where it is.
    package func explainRollout(
        _ id: RolloutID, device: DeviceID? = nil
    ) async throws(ClientError) -> RolloutExplanation {
        let query = device.map { ["device": $0.text] } ?? [:]
        return try await api.get(
            OperatorRoutes.explainRollout, ["rollout": id.text], query: query, as: RolloutExplanation.self)
    }

    // MARK: - Pins, holds, and what ran when

    /// Keeps a slot as it is, or with `slot` nil the device out of rollouts.
    package func exempt(
        _ device: DeviceID, slot: SlotName? = nil, _ request: ExemptionRequest
    ) async throws(ClientError) -> DeviceInfo {
        guard let slot else {
            return try await api.send(
                OperatorRoutes.holdDevice, ["device": device.text], body: request, as: DeviceInfo.self)
        }
        return try await api.send(
            OperatorRoutes.pinSlot, ["device": device.text, "slot": slot.text], body: request, as: DeviceInfo.self)
    }

    /// Lifts a pin, or with `slot` nil a hold.
    package func lift(_ device: DeviceID, slot: SlotName? = nil) async throws(ClientError) -> DeviceInfo {
        guard let slot else {
            return try await api.get(OperatorRoutes.releaseDevice, ["device": device.text], as: DeviceInfo.self)
        }
        return try await api.get(
            OperatorRoutes.unpinSlot, ["device": device.text, "slot": slot.text], as: DeviceInfo.self)
    }

    /// What the device's slots were to run from when on, who said so and why; newest first.
    package func moves(of device: DeviceID) async throws(ClientError) -> [DeviceMove] {
        try await api.list(OperatorRoutes.deviceMoves, ["device": device.text], of: DeviceMove.self)
    }

    /// Takes devices back to what they had.
    package func rollback(_ request: RollbackRequest) async throws(ClientError) -> RollbackAnswer {
        try await api.send(OperatorRoutes.rollback, body: request, as: RollbackAnswer.self)
    }

    /// All devices of a rollout, or those of one state, in the order of the waves.
    package func rolloutDevices(
        _ id: RolloutID, in state: DeviceRolloutState? = nil
    ) async throws(ClientError) -> [RolloutInfo.Device] {
        try await api.list(
            OperatorRoutes.rolloutDevices, ["rollout": id.text],
            query: ["limit": String(Limits.pageRows)].merging(state.map { ["state": $0.rawValue] } ?? [:]) { $1 },
            of: RolloutInfo.Device.self)
    }

    /// How far a rollback of many devices is.
    package func rollbackProgress(_ id: String) async throws(ClientError) -> RollbackProgress {
        try await api.get(OperatorRoutes.rollbackProgress, ["rollback": id], as: RollbackProgress.self)
    }

    // MARK: - Telemetry, audit, tokens

    /// Minutes of slots' lives, by the query members that the API names.
    package func telemetry(_ query: [String: String] = [:]) async throws(ClientError) -> [TelemetryPoint] {
        try await api.list(OperatorRoutes.telemetry, query: query, of: TelemetryPoint.self)
    }

    /// The audit log, by the query members that the API names.
    package func audit(_ query: [String: String] = [:]) async throws(ClientError) -> [AuditRow] {
        try await api.list(OperatorRoutes.audit, query: query, of: AuditRow.self)
    }

    /// All operators' tokens, without their secrets.
    package func tokens() async throws(ClientError) -> [TokenInfo] {
        try await api.list(OperatorRoutes.tokens, of: TokenInfo.self)
    }

    /// Makes a token; its secret stands in this answer only.
    package func createToken(_ request: TokenRequest) async throws(ClientError) -> TokenInfo {
        try await api.send(OperatorRoutes.createToken, body: request, as: TokenInfo.self)
    }

    /// Revokes a token.
    package func deleteToken(_ id: String) async throws(ClientError) {
        try await api.send(OperatorRoutes.deleteToken, ["token": id])
    }

    /// All join tokens, without their secrets.
    package func joinTokens() async throws(ClientError) -> [JoinTokenInfo] {
        try await api.list(OperatorRoutes.joinTokens, of: JoinTokenInfo.self)
    }

    /// Makes a join token; the whole string stands in this answer only.
    package func createJoinToken(_ request: JoinTokenRequest) async throws(ClientError) -> JoinTokenInfo {
        try await api.send(OperatorRoutes.createJoinToken, body: request, as: JoinTokenInfo.self)
    }

    /// Revokes a join token.
    package func deleteJoinToken(_ id: String) async throws(ClientError) {
        try await api.send(OperatorRoutes.deleteJoinToken, ["token": id])
    }
}

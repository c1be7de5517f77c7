internal import MartletAPI
internal import MartletTypes
internal import NIOCore
internal import NIOHTTP1
internal import NIOSSL
internal import Trust

/// Does what one device's machine decides, over one connection.
///
/// `@unchecked Sendable`: touched on the fleet's event loop only.
final class DeviceDriver: @unchecked Sendable {
    let fleet: FleetContext
    var machine: DeviceMachine
    private var identity: DeviceIdentity?
    private var connection: DeviceConnection?
    private var alarm: Scheduled<Void>?
    /// Kept until the registry has answered: who asks again with the same key gets the same certificate.
    private var enrolmentKey: KeyPair?
    /// The newest report whose outcome was counted: batches may be sent twice.
    var counted: Int64 = 0

    init(_ machine: DeviceMachine, _ fleet: FleetContext) {
        self.machine = machine
        self.fleet = fleet
    }

    var device: DeviceID { machine.traits.device }

    /// Begins, and goes on until the fleet stops.
    func step() {
        guard !fleet.isStopped else { return }
        switch machine.next(now: fleet.clock()) {
        case .enrol: fleet.beginEnrolment(self)
        case .call(let call): perform(call)
        case .rest(let until): wait(until)
        case .leave(let until):
            disconnect()
            fleet.figures.away += 1
            fleet.tell(FleetEvent(.left, device, at: fleet.clock()))
            wait(until) { [fleet] in fleet.figures.away -= 1 }
        case .end:
            disconnect()
            let code = machine.refusal ?? "refused"
            fleet.figures.turnedAway[code, default: 0] += 1
            fleet.tell(FleetEvent(.turnedAway, device, at: fleet.clock(), code: code))
        }
    }

    /// Ends for good.
    func stop() {
        alarm?.cancel()
        disconnect()
    }

    func take(_ outcome: DeviceOutcome) {
        machine.take(outcome, now: fleet.clock())
        step()
    }

    private func wait(_ until: Timestamp, then: @escaping @Sendable () -> Void = {}) {
        let pause = max(1, (until - fleet.clock()).wholeMilliseconds)
        alarm = fleet.loop.scheduleTask(in: .milliseconds(pause)) { [weak self] in
            then()
            self?.step()
        }
    }

    // MARK: The connection

    private func disconnect() {
        connection?.close()
        connection = nil
    }

    /// Sends over the connection that is there, or makes one.
    func send(
        _ request: DeviceConnection.Request, isCut: Bool = false,
        answered: @escaping (DeviceConnection.Reply?) -> Void
    ) {
        if let connection {
            pass(request, connection, isCut, answered)
            return
        }
        let fleet = fleet
        let made = DeviceConnection(host: fleet.host) { [weak self] in self?.closed($0) }
        let box = Unchecked(answered)
        fleet.connect(machine.traits.number, identity, made).whenComplete { [weak self] result in
            guard let self else { return }
            guard case .success = result, !fleet.isStopped else {
                box.value(nil)
                return
            }
            fleet.figures.connections += 1
            fleet.figures.connected += 1
            connection = made
            pass(request, made, isCut, box.value)
        }
    }

    private func pass(
        _ request: DeviceConnection.Request, _ connection: DeviceConnection, _ isCut: Bool,
        _ answered: @escaping (DeviceConnection.Reply?) -> Void
    ) {
        guard isCut else {
            connection.send(request, answered: answered)
            return
        }
        connection.sendAndCut(request)
        self.connection = nil
        answered(nil)
    }

    private func closed(_ former: DeviceConnection) {
        fleet.figures.connected -= 1
        // The connection of the enrolment ends after the one with the certificate was begun.
        if connection === former { connection = nil }
    }

    // MARK: Enrolment

    func enrol() {
        do {
            let key = try enrolmentKey ?? KeyPair.generate(.ecdsaP256)
            enrolmentKey = key
            let csr = try CertificateRequest.make(key: key, commonName: device.text)
            let body = try JSONText.encode(
                EnrolRequest(
                    device: device, secret: fleet.secret,
                    certificateRequest: PEMText.encode(csr, label: "CERTIFICATE REQUEST"),
                    labels: machine.traits.labels, journal: machine.traits.journal))
            let request = DeviceConnection.Request(
                method: .POST, path: DeviceRoutes.enrol.path, headers: Self.json, body: body,
                seconds: SimulationLimits.callSeconds)
            // The secret goes to whom the authority vouches for; the certificate needs a connection of its own.
            send(request) { [weak self] reply in
                self?.enrolled(reply, key)
                self?.fleet.endEnrolment()
            }
        } catch {
            fleet.endEnrolment()
            take(.distrusted(code: "keyFailed", message: "\(error)"))
        }
    }

    private func enrolled(_ reply: DeviceConnection.Reply?, _ key: KeyPair) {
        guard let reply, reply.status == 201 else {
            take(outcome(of: reply))
            return
        }
        do {
            let answer = try JSONText.decode(EnrolAnswer.self, from: reply.body.readableBytesView)
            identity = DeviceIdentity(
                chain: try NIOSSLCertificate.fromPEMBytes(Array(answer.certificate.utf8)),
                key: try NIOSSLPrivateKey(bytes: try key.pem(), format: .pem))
            disconnect()
            enrolmentKey = nil
            fleet.figures.enrolled += 1
            fleet.tell(FleetEvent(.enrolled, device, at: fleet.clock()))
            take(.done)
        } catch {
            take(.distrusted(code: "badAnswer", message: "\(error)"))
        }
    }

    static let json = [("content-type", "application/json")]
}

/// Carries a value that stays on one event loop through a closure that could leave it.
struct Unchecked<Value>: @unchecked Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
}

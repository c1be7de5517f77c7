internal import MartletAPI
internal import MartletTypes
internal import NIOCore
internal import NIOHTTP1
internal import Telemetry
internal import Trust

extension DeviceDriver {
    /// Makes one call and tells the machine what came of it.
    func perform(_ call: DeviceCall) {
        do {
            switch call {
            case .inventory(let inventory):
                try put(.PUT, DeviceRoutes.inventory.path, try JSONText.encode(inventory)) { driver, _ in
                    driver.fleet.figures.inventories += 1
                    return .done
                }
            case .reports(let batch, let isAnswerLost): try report(batch, isAnswerLost)
            case .telemetry(let export, let sequence):
                let headers =
                    Self.json + [
                        ("content-encoding", CompressedExport.contentCoding),
                        (MartletFields.journal, machine.traits.journal.text),
                        (MartletFields.sequence, String(sequence)),
                    ]
                let body = CompressedExport.compressing(try JSONText.encode(export))
                try put(.POST, DeviceRoutes.telemetry.path, body, headers) { driver, _ in
                    driver.fleet.figures.exports += 1
                    return .done
                }
            case .poll(let number, let seconds): poll(number, seconds)
            case .fetch(let path, let accept, let isKept):
                let headers = accept.map { [("accept", $0)] } ?? []
                let request = DeviceConnection.Request(
                    method: .GET, path: path, headers: headers, keepsBody: isKept,
                    seconds: isKept ? SimulationLimits.callSeconds : 3600)
                ask(request) { driver, reply in
                    driver.fleet.figures.bytesFetched += reply.count
                    return .fetched(Array(reply.body.readableBytesView))
                }
            }
        } catch {
            take(.distrusted(code: "callFailed", message: "\(error)"))
        }
    }

    private func put(
        _ method: HTTPMethod, _ path: String, _ body: [UInt8], _ headers: [(String, String)] = DeviceDriver.json,
        _ success: @escaping (DeviceDriver, DeviceConnection.Reply) -> DeviceOutcome
    ) throws {
        ask(
            DeviceConnection.Request(
                method: method, path: path, headers: headers, body: body, seconds: SimulationLimits.callSeconds),
            success)
    }

    private func ask(
        _ request: DeviceConnection.Request,
        _ success: @escaping (DeviceDriver, DeviceConnection.Reply) -> DeviceOutcome
    ) {
        send(request) { [weak self] reply in
            guard let self else { return }
            guard let reply, (200..<300).contains(reply.status) else {
                take(outcome(of: reply))
                return
            }
            take(success(self, reply))
        }
    }

    private func report(_ batch: ReportBatch, _ isAnswerLost: Bool) throws {
        let request = DeviceConnection.Request(
            method: .POST, path: DeviceRoutes.reports.path, headers: Self.json, body: try JSONText.encode(batch),
            seconds: SimulationLimits.callSeconds)
        guard !isAnswerLost else {
            send(request, isCut: true) { [weak self] _ in self?.take(.lost) }
            return
        }
        ask(request) { driver, reply in
            guard let receipt = try? JSONText.decode(ReportReceipt.self, from: reply.body.readableBytesView) else {
                return .distrusted(code: "badAnswer", message: "the receipt cannot be read")
            }
            driver.count(batch)
            return .receipt(receipt)
        }
    }

    private func count(_ batch: ReportBatch) {
        fleet.figures.reports += batch.reports.count
        for report in batch.reports where report.sequence > counted {
            counted = report.sequence
            guard let state = report.state, state.isFinal else { continue }
            fleet.figures.outcomes[state.rawValue, default: 0] += 1
            if let code = report.code { fleet.figures.failures[code, default: 0] += 1 }
            fleet.tell(
                FleetEvent(
                    .outcome, device, at: fleet.clock(), number: report.generation, rollout: report.rollout,
                    state: state, code: report.code))
        }
    }

    // MARK: Polling

    private func poll(_ number: Int64, _ seconds: Int64) {
        let director = fleet.trust.director
        let query =
            "?number=\(number)&wait=\(seconds)&snapshot=\(director.snapshot)&timestamp=\(director.timestamp)"
            + "&journal=\(machine.traits.journal)"
        let request = DeviceConnection.Request(
            method: .GET, path: DeviceRoutes.assignment.path + query, seconds: seconds + SimulationLimits.callSeconds)
        fleet.figures.parked += 1
        send(request) { [weak self] reply in
            guard let self else { return }
            fleet.figures.parked -= 1
            guard let reply, reply.status == 200 || reply.status == 204 else {
                take(outcome(of: reply))
                return
            }
            fleet.figures.polls += 1
            guard reply.status == 200 else {
                take(.done)
                return
            }
            check(Array(reply.body.readableBytesView), mayRefresh: true)
        }
    }

    /// Checks an assignment as an agent does; where the director is another, the owner may have named it meanwhile.
    private func check(_ bytes: [UInt8], mayRefresh: Bool) {
        let director = fleet.trust.director
        do throws(Assignment.Refusal) {
            let assignment = try Assignment.verify(
                bytes, directorKeys: director.keys, threshold: director.threshold, device: device,
                highestNumber: machine.number, now: machine.traits.ownTime(fleet.clock()))
            fleet.figures.assignments += 1
            fleet.tell(
                FleetEvent(
                    .assignment, device, at: fleet.clock(), number: assignment.number,
                    rollout: assignment.slots.values.max { $0.generation < $1.generation }?.rollout))
            take(.assignment(assignment))
        } catch {
            if case .badSignature = error, mayRefresh {
                refreshThenCheck(bytes)
                return
            }
            distrust(error)
        }
    }

    private func refreshThenCheck(_ bytes: [UInt8]) {
        let trust = fleet.trust
        fleet.loop.makeFutureWithTask { try await trust.refresh() }.whenComplete { [weak self] _ in
            guard let self, !fleet.isStopped else { return }
            check(bytes, mayRefresh: false)
        }
    }

    private func distrust(_ refusal: Assignment.Refusal) {
        let (code, message) =
            switch refusal {
            case .malformed(let detail): ("assignmentMalformed", detail)
            case .badSignature(let detail): ("assignmentUnsigned", detail)
            case .otherDevice(let other): ("assignmentForeign", "it is for \(other)")
            case .olderNumber(let received, let accepted): ("assignmentOutdated", "\(received) after \(accepted)")
            case .expired(let time): ("assignmentExpired", "it expired at \(time)")
            }
        fleet.figures.distrusted[code, default: 0] += 1
        take(.distrusted(code: code, message: message))
    }

    // MARK: What is not success

    /// What an answer other than success means.
    func outcome(of reply: DeviceConnection.Reply?) -> DeviceOutcome {
        guard let reply else {
            if !fleet.isStopped { fleet.figures.lost += 1 }
            return .lost
        }
        let problem = try? JSONText.decode(Problem.self, from: reply.body.readableBytesView)
        let code = problem?.code ?? "unexpectedStatus"
        fleet.figures.refusals["\(reply.status) \(code)", default: 0] += 1
        return .refused(
            status: reply.status, code: code,
            retryAfterSeconds: reply.headers["retry-after"].first.flatMap { Int($0) })
    }
}

import BundleFormat
import Foundation
import HTTPTypes
import MartletAPI
import MartletTypes
import RegistryClient
import RegistryServer
import TestSupport
import Testing

/// What the registry signs for sites without a network, and how much of it.
@Suite("Signing for sites without a network")
struct OfflineSigningTests {
    private static let hour: Int64 = 3600

    private func problem(_ registry: RegistryFixture, _ body: String) async throws -> (status: Int, Problem) {
        let reply = try await registry.call(
            .post, "/api/v1/offline", fields: [.contentType: "application/json"], body: .bytes(Array(body.utf8)))
        return (reply.status, try JSONText.decode(Problem.self, from: reply.body))
    }

    @Test("Each bound is told with the member that breaks it and what to do instead")
    func bounds() async throws {
        let registry = try await RegistryFixture.start()
        let early = try await problem(registry, #"{"devices":[],"validSeconds":7200}"#)
        #expect(early.status == 503 && early.1.code == "noRoot")
        try await registry.initializeTrust()
        _ = try await SimulatedDevice("box-1", at: registry)
        let many = (0...OfflineBudget.devices).map { "\"box-\($0)\"" }.joined(separator: ",")
        let cases: [(body: String, status: Int, code: String, field: String)] = [
            (#"{"devices":[\#(many)],"validSeconds":7200}"#, 422, "tooManyDevices", "/devices"),
            (#"{"devices":[],"validSeconds":\#(Self.hour - 1)}"#, 422, "validityOutOfBounds", "/validSeconds"),
            (
                #"{"devices":[],"validSeconds":\#(90 * 24 * Self.hour + 1)}"#, 422, "validityOutOfBounds",
                "/validSeconds"
            ),
            (#"{"devices":["box-1"],"validSeconds":7200}"#, 422, "nothingAssigned", "/devices"),
            (#"{"devices":["-"],"validSeconds":7200}"#, 400, "badRequest", "/devices/0"),
            (#"{"validSeconds":7200}"#, 400, "badRequest", "/devices"),
        ]
        for (body, status, code, field) in cases {
            let (found, problem) = try await problem(registry, body)
            #expect(found == status && problem.code == code, "\(body.suffix(60)): \(problem)")
            #expect(problem.field == field, "\(body.suffix(60)): \(problem)")
            #expect(status != 422 || problem.remedy?.isEmpty == false, "\(body.suffix(60)): \(problem)")
        }
        let before = try await registry.admin.audit().filter { $0.action == "offline.sign" }.count
        let signed = try await registry.admin.signOffline(OfflineRequest(validSeconds: Self.hour))
        #expect(signed.assignments.isEmpty)
        #expect(try await registry.admin.audit().filter { $0.action == "offline.sign" }.count == before + 1)
        try await registry.stop()
    }

    @Test("A body beyond the limit of calls is refused before it is read whole")
    func body() async throws {
        let registry = try await RegistryFixture.start()
        try await registry.initializeTrust()
        let name = String(repeating: "x", count: 40)
        let devices = (0...(Limits.apiBodyBytes / 43)).map { _ in "\"\(name)\"" }.joined(separator: ",")
        let reply = try await registry.call(
            .post, "/api/v1/offline", fields: [.contentType: "application/json"],
            body: .bytes(Array(#"{"devices":[\#(devices)],"validSeconds":7200}"#.utf8)))
        #expect(reply.status == 413)
        try await registry.stop()
    }

    @Test("What is signed for one bundle fits before its blobs and into the answer that carries it")
    func budget() throws {
        #expect(Int64(OfflineBudget.bytes) * 2 <= BundleLimits.frontBytes)
        #expect(OfflineBudget.bytes * 2 <= ClientLimits.answerBytes)
        // As many devices as may be named are no empty promise: 32 slots of one release each fit.
        let device = try DeviceID("box-1")
        let usual = String(repeating: "a", count: 16_000)
        var budget = OfflineBudget()
        for _ in 0..<OfflineBudget.devices { try budget.take(usual, for: device) }
        let large = String(repeating: "a", count: Limits.assignmentBytes)
        var second = OfflineBudget()
        var taken = 0
        let refusal = #expect(throws: (any Error).self) {
            while taken < OfflineBudget.devices {
                try second.take(large, for: device)
                taken += 1
            }
        }
        #expect(taken == OfflineBudget.bytes / Limits.assignmentBytes)
        #expect((refusal as? any MartletError)?.code == "tooLarge")
        #expect((refusal as? any MartletError)?.remedy.isEmpty == false)
    }
}

import MartletAPI
import MartletTypes
import Testing

@Suite("Documents of the API")
struct DocumentsTests {
    @Test("a report survives the wire, with and without what is optional")
    func reports() throws {
        let path = try ReleasePath("clinic/triage/1.0.0")
        let full = DeviceReport(
            sequence: 7, time: Timestamp(seconds: 1_000), slot: try SlotName("triage"), generation: 3,
            rollout: try RolloutID("r-1"), releases: [path], state: .failed, code: "evaluationFailed",
            message: "accuracy 0.83 is under 0.90",
            figures: .init(
                bytesFetched: 10, evaluation: EvaluationResult(rows: 60, correct: 50, failed: 0, medianMilliseconds: 9))
        )
        for report in [full, DeviceReport(sequence: 1, time: Timestamp(seconds: 0))] {
            #expect(try JSONText.decode(DeviceReport.self, from: JSONText.encode(report)) == report)
        }
    }

    @Test("a name that breaks its rule is refused where it stands in a document")
    func names() {
        let text = #"{"device":"NOT A NAME","slot":"triage","reason":""}"#
        #expect(throws: DecodingError.self) { try JSONText.decode(RollbackRequest.self, from: Array(text.utf8)) }
    }

    @Test("devices that are skipped are an object keyed by their names")
    func keyed() throws {
        let answer = RollbackAnswer(moves: [], skipped: [try DeviceID("pi-1"): "nothing before"])
        #expect(
            String(decoding: try JSONText.encode(answer), as: UTF8.self)
                == #"{"moves":[],"skipped":{"pi-1":"nothing before"}}"#)
    }

    @Test("a problem names its kind by its code")
    func problems() {
        let problem = Problem(status: 404, code: "unknownDevice", title: "Unknown device", detail: "There is no pi-9.")
        #expect(problem.type.hasSuffix("/unknownDevice"))
    }
}

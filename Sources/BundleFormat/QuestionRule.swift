internal import MartletTypes

/// The rules of plain requests in probes and evaluation rows.
enum QuestionRule {
    /// Refuses fields that are not known: a demand that this version cannot make must not pass for one that holds.
    static func checkFields(_ value: JSONValue?, _ document: String, _ place: String) throws(BundleError) {
        guard case .object(let members) = value else { return }
        let known = EngineQuestion.fields
        if let unknown = members.keys.sorted().first(where: { !known.contains($0) }) {
            throw BundleError(
                .invalid, document, "\(place).\(unknown)",
                "is no field of a request; the fields are " + known.sorted().joined(separator: ", "))
        }
    }

    /// `beside` is whether fields of a chat stand there too.
    static func check(
        _ request: EngineQuestion, beside: Bool, _ document: String, _ place: String
    ) throws(BundleError) {
        if let fault = request.fault { throw BundleError(.invalid, document, place, fault) }
        guard !beside else {
            throw BundleError(.contradiction, document, place, "stands beside fields of a chat; give one of the two")
        }
    }
}

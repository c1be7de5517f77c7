package import MartletTypes

/// An object of a profile whose fields may be left out, and none of whose fields is unknown.
private struct ProfileFields {
    private let fields: KeyedDecodingContainer<FieldName>

    init(_ decoder: any Decoder, _ known: Set<String>) throws {
        try decoder.refuseFields(beyond: known)
        fields = try decoder.container(keyedBy: FieldName.self)
    }

    /// Takes a field over where it is there.
    func read<Value: Decodable>(_ name: String, into value: inout Value) throws {
        guard let read = try fields.decodeIfPresent(Value.self, forKey: FieldName(stringValue: name)) else { return }
        value = read
    }

    /// A text in a form of its own.
    func text<Value>(_ name: String, _ make: (String) throws -> Value) throws -> Value? {
        let key = FieldName(stringValue: name)
        guard let text = try fields.decodeIfPresent(String.self, forKey: key) else { return nil }
        do {
            return try make(text)
        } catch let error as InvalidValue {
            throw DecodingError.dataCorruptedError(forKey: key, in: fields, debugDescription: error.description)
        }
    }
}

extension FleetProfile: Decodable {
    package init(from decoder: any Decoder) throws {
        self.init()
        let fields = try ProfileFields(
            decoder,
            [
                "labels", "hardware", "linkMegabits", "releaseMegabytes", "installation", "clockSkewSeconds", "away",
                "requests", "reports", "effects", "timeScale",
            ])
        try fields.read("labels", into: &labels)
        try fields.read("hardware", into: &hardware)
        try fields.read("linkMegabits", into: &linkMegabits)
        try fields.read("releaseMegabytes", into: &releaseMegabytes)
        try fields.read("installation", into: &installation)
        try fields.read("clockSkewSeconds", into: &clockSkewSeconds)
        try fields.read("away", into: &away)
        try fields.read("requests", into: &requests)
        try fields.read("reports", into: &reports)
        try fields.read("effects", into: &effects)
        try fields.read("timeScale", into: &timeScale)
        if let problem {
            throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: problem))
        }
    }
}

extension InstallationTimes: Decodable {
    package init(from decoder: any Decoder) throws {
        self.init()
        let fields = try ProfileFields(decoder, ["verify", "probe", "switching", "restore"])
        try fields.read("verify", into: &verify)
        try fields.read("probe", into: &probe)
        try fields.read("switching", into: &switching)
        try fields.read("restore", into: &restore)
    }
}

extension AwayPattern: Decodable {
    package init(from decoder: any Decoder) throws {
        self.init()
        let fields = try ProfileFields(decoder, ["share", "hereSeconds", "awaySeconds"])
        try fields.read("share", into: &share)
        try fields.read("hereSeconds", into: &hereSeconds)
        try fields.read("awaySeconds", into: &awaySeconds)
    }
}

extension RequestLoad: Decodable {
    package init(from decoder: any Decoder) throws {
        self.init()
        let fields = try ProfileFields(
            decoder, ["perMinute", "everySeconds", "durationSeconds", "errorRate", "accuracy", "agreement"])
        try fields.read("perMinute", into: &perMinute)
        try fields.read("everySeconds", into: &everySeconds)
        try fields.read("durationSeconds", into: &durationSeconds)
        try fields.read("errorRate", into: &errorRate)
        try fields.read("accuracy", into: &accuracy)
        try fields.read("agreement", into: &agreement)
    }
}

extension ReportManners: Decodable {
    package init(from decoder: any Decoder) throws {
        self.init()
        let fields = try ProfileFields(decoder, ["lateSeconds", "doubled", "reversed", "repeatedLater", "lostAnswer"])
        try fields.read("lateSeconds", into: &lateSeconds)
        try fields.read("doubled", into: &doubled)
        try fields.read("reversed", into: &reversed)
        try fields.read("repeatedLater", into: &repeatedLater)
        try fields.read("lostAnswer", into: &lostAnswer)
    }
}

extension ReleaseEffect: Decodable {
    package init(from decoder: any Decoder) throws {
        let fields = try ProfileFields(
            decoder,
            ["release", "devices", "share", "slowerPercent", "errorRate", "accuracy", "agreement", "failure"])
        self.init(
            release: try fields.text("release", ReleasePath.init(reference:)),
            devices: try fields.text("devices") { try LabelSelector($0) } ?? LabelSelector(""))
        try fields.read("share", into: &share)
        try fields.read("slowerPercent", into: &slowerPercent)
        try fields.read("errorRate", into: &errorRate)
        try fields.read("accuracy", into: &accuracy)
        try fields.read("agreement", into: &agreement)
        try fields.read("failure", into: &failure)
    }
}

extension ReleaseEffect.Failure: Decodable {
    package init(from decoder: any Decoder) throws {
        self.init(share: 1)
        let fields = try ProfileFields(decoder, ["share", "at", "code", "transient"])
        try fields.read("share", into: &share)
        try fields.read("at", into: &at)
        try fields.read("code", into: &code)
        try fields.read("transient", into: &isTransient)
        guard [.downloading, .verifying, .probing, .switching, .soaking].contains(at) else {
            throw DecodingError.dataCorrupted(
                .init(
                    codingPath: decoder.codingPath,
                    debugDescription: "an installation fails at downloading, verifying, probing, switching or soaking"))
        }
    }
}

extension ReleasePath {
    /// Reads `clinic/triage:2.0.0`.
    package init(reference: String) throws(InvalidValue) {
        let parts = reference.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2 else {
            throw InvalidValue(kind: "release", value: reference, rule: "NAMESPACE/NAME:VERSION")
        }
        try self.init(String(parts[0]) + "/" + String(parts[1]))
    }
}

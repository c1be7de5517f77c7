internal import MartletTypes

/// Reading a profile: the form by decoding, then every value against its range, then no field that means nothing.
extension DeviceProfile {
    /// Reads a profile from JSON; `name` is its file name without ending, which must be its id.
    package init(json: [UInt8], name: String) throws(DeviceProfileError) {
        guard json.count <= DeviceProfilesLimits.profileBytes else {
            throw DeviceProfileError(
                .malformedProfile, name, "is longer than \(DeviceProfilesLimits.profileBytes) bytes")
        }
        let profile: DeviceProfile
        let given: JSONValue
        let understood: JSONValue
        do {
            profile = try JSONText.decode(DeviceProfile.self, from: json)
            given = try JSONValue(parsing: json)
            understood = try JSONValue(parsing: JSONText.encode(profile))
        } catch let error as DecodingError {
            throw DeviceProfileError(.malformedProfile, name, Self.sentence(error))
        } catch {
            throw DeviceProfileError(.malformedProfile, name, "is not JSON: \(error)")
        }
        if let unknown = Self.unknownField(given, understood, at: "") {
            throw DeviceProfileError(.malformedProfile, name, "\(unknown) is no field of a profile")
        }
        self = profile
        guard id == name else { throw DeviceProfileError(.invalidField, name, "id is \"\(id)\", not the file's name") }
        for (field, holds, rule) in rules where !holds {
            throw DeviceProfileError(.invalidField, name, "\(field) must be \(rule)")
        }
    }

    private typealias Rule = (field: String, holds: Bool, rule: String)

    private var rules: [Rule] {
        let lists = [
            match.boardCompatible, match.boardModel, match.cpuModel, match.cpuFeatures, match.accelerators,
            engine.repackedTypes,
            thermal?.zones, preferredQuantizations.map(\.name),
        ].compactMap { $0 }
        let names = preferredQuantizations.map(\.name)
        let mebibytes = 0...1_073_741_824
        return [
            ("id", Self.isName(id), "1 to 63 lower-case letters, digits and inner - or _"),
            ("title", !title.isEmpty && title.utf8.count <= DeviceProfilesLimits.textBytes, "1 to 256 bytes"),
            ("priority", (0...1000).contains(priority), "from 0 to 1000"),
            ("memory.sharePercent", (1...100).contains(memory.sharePercent), "from 1 to 100"),
            ("memory.reserveMiB", mebibytes.contains(memory.reserveMiB), "0 or more"),
            ("threads.sharePercent", (1...100).contains(threads.sharePercent), "from 1 to 100"),
            ("threads.max", threads.max.map { (1...1024).contains($0) } ?? true, "from 1 to 1024"),
            ("storage.reserveMiB", mebibytes.contains(storage.reserveMiB), "0 or more"),
            ("preferredQuantizations", !names.isEmpty && Set(names).count == names.count, "a list of distinct names"),
            (
                "preferredQuantizations.reason", preferredQuantizations.allSatisfy { !$0.reason.isEmpty },
                "given for each"
            ),
            ("engine.contextTokens", (256...1_048_576).contains(engine.contextTokens), "from 256 to 1048576"),
            ("engine.parallelRequests", (1...256).contains(engine.parallelRequests), "from 1 to 256"),
            ("match.cpuFeatures", (match.cpuFeatures ?? []).allSatisfy(CPUFeature.all.contains), "names of features"),
            (
                "thermal", thermal.map { $0.pauseBackgroundCelsius < $0.refuseStartCelsius } ?? true,
                "a lower pauseBackgroundCelsius than refuseStartCelsius"
            ),
            (
                "every list", lists.allSatisfy { $0.count <= DeviceProfilesLimits.profileListEntries },
                "of 64 entries at most"
            ),
        ]
    }

    private static func isName(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        func isWord(_ byte: UInt8) -> Bool { (0x61...0x7a).contains(byte) || (0x30...0x39).contains(byte) }
        guard let first = bytes.first, let last = bytes.last, bytes.count <= 63 else { return false }
        return isWord(first) && isWord(last)
            && bytes.allSatisfy { isWord($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") }
    }

    /// A mistyped field would otherwise be dropped in silence: what was given must survive decoding and encoding.
    private static func unknownField(_ given: JSONValue, _ understood: JSONValue, at path: String) -> String? {
        switch (given, understood) {
        case (.object(let given), .object(let understood)):
            for (key, value) in given.sorted(by: { $0.key < $1.key }) where value != .null {
                let path = path.isEmpty ? key : path + "." + key
                guard let other = understood[key] else { return path }
                if let found = unknownField(value, other, at: path) { return found }
            }
            return nil
        case (.array(let given), .array(let understood)):
            for (index, (value, other)) in zip(given, understood).enumerated() {
                if let found = unknownField(value, other, at: "\(path)[\(index)]") { return found }
            }
            return nil
        default:
            return nil
        }
    }

    private static func sentence(_ error: DecodingError) -> String {
        func path(_ context: DecodingError.Context) -> String {
            let keys = context.codingPath.map(\.stringValue)
            return keys.isEmpty ? "the document" : keys.joined(separator: ".")
        }
        return switch error {
        case .keyNotFound(let key, let context):
            "\((context.codingPath.map(\.stringValue) + [key.stringValue]).joined(separator: ".")) is missing"
        case .typeMismatch(let type, let context): "\(path(context)) is no \(type)"
        case .valueNotFound(let type, let context): "\(path(context)) is null, not \(type)"
        case .dataCorrupted(let context): "\(path(context)): \(context.debugDescription)"
        @unknown default: "cannot be read"
        }
    }
}

internal import MartletTypes

/// JSON to values and back, with errors that name document and field.
enum DocumentCoder {
    static func decode<Value: Decodable>(
        _ type: Value.Type, from bytes: [UInt8], limit: Int, _ document: String
    ) throws(BundleError) -> Value {
        guard bytes.count <= limit else {
            throw BundleError(.tooLarge, document, "", "\(bytes.count) bytes are more than the \(limit) allowed")
        }
        do {
            return try JSONText.decode(type, from: bytes)
        } catch let error as DecodingError {
            throw refusal(error, document)
        } catch {
            throw BundleError(.malformed, document, "", "it is not JSON")
        }
    }

    static func encode(_ value: some Encodable, _ document: String) throws(BundleError) -> [UInt8] {
        do {
            return try JSONText.encode(value)
        } catch {
            throw BundleError(.invalid, document, "", "a value has no JSON form")
        }
    }

    /// Checks `schemaVersion`, `mediaType` and `artifactType` of a manifest or index.
    static func checkHead(
        _ schemaVersion: Int, _ mediaType: String?, _ expected: String, _ artifactType: String?, _ document: String
    ) throws(BundleError) {
        guard schemaVersion == 2 else {
            throw BundleError(.unsupported, document, "schemaVersion", "is \(schemaVersion) where only 2 is known")
        }
        guard mediaType == nil || mediaType == expected else {
            throw BundleError(.unsupported, document, "mediaType", "is not \(expected)")
        }
        guard artifactType.map(MediaTypeRule.holds) ?? true else {
            throw BundleError(.invalid, document, "artifactType", "is not a media type")
        }
    }

    private static func refusal(_ error: DecodingError, _ document: String) -> BundleError {
        switch error {
        case .keyNotFound(let key, let context):
            BundleError(.missing, document, path(context.codingPath + [key]), "is missing")
        case .valueNotFound(_, let context):
            BundleError(.missing, document, path(context.codingPath), "is null")
        case .typeMismatch(_, let context):
            BundleError(.malformed, document, path(context.codingPath), "has the wrong type")
        case .dataCorrupted(let context):
            context.codingPath.isEmpty
                ? BundleError(.malformed, document, "", "it is not JSON of the expected form")
                : BundleError(.invalid, document, path(context.codingPath), "is wrong: " + context.debugDescription)
        @unknown default:
            BundleError(.malformed, document, "", "it is not JSON of the expected form")
        }
    }

    private static func path(_ keys: [any CodingKey]) -> String {
        keys.reduce(into: "") { text, key in
            if let index = key.intValue {
                text += "[\(index)]"
            } else {
                text += (text.isEmpty ? "" : ".") + key.stringValue
            }
        }
    }
}
